/* What operands say: modes, owners, times. */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/cli.h"

/* ---- modes ----------------------------------------------------------------------------------------- */

/* Set-uid, set-gid and sticky belong to user, group and all. */
enum { USER = 04700, GROUP = 02070, OTHER = 01007 };

static uint32_t parse_who(const char **text)
{
	uint32_t who = 0;

	for (;; ++*text)
		switch (**text) {
		case 'u':
			who |= USER;
			break;
		case 'g':
			who |= GROUP;
			break;
		case 'o':
			who |= OTHER;
			break;
		case 'a':
			who |= USER | GROUP | OTHER;
			break;
		default:
			return who;
		}
}

/* The permissions that one class has, for all three. */
static uint32_t spread(uint32_t three_bits)
{
	return (three_bits & 7) * 0111;
}

static uint32_t parse_permissions(const char **text, uint32_t old)
{
	uint32_t bits = 0;

	for (;; ++*text)
		switch (**text) {
		case 'r':
			bits |= 0444;
			break;
		case 'w':
			bits |= 0222;
			break;
		case 'x':
			bits |= 0111;
			break;
		case 'X':
			bits |= S_ISDIR(old) || old & 0111 ? 0111 : 0;
			break;
		case 's':
			bits |= 06000;
			break;
		case 't':
			bits |= 01000;
			break;
		case 'u':
			bits |= spread(old >> 6);
			break;
		case 'g':
			bits |= spread(old >> 3);
			break;
		case 'o':
			bits |= spread(old);
			break;
		default:
			return bits;
		}
}

/* One "u+x", or "u=rw-x": an operator more. */
static bool parse_clause(const char **text, uint32_t *mode)
{
	uint32_t who = parse_who(text), allowed = who;

	if (!who) {
		who = 07777;
		allowed = 07777 & ~creation_mask();
	}
	if (!**text || !strchr("+-=", **text))
		return false;
	while (**text && strchr("+-=", **text)) {
		char operator= *(*text)++;
		uint32_t bits = parse_permissions(text, *mode) & allowed;

		if (operator== '=')
			*mode &= ~(who & (S_ISDIR(*mode) ? 01777 : 07777));
		*mode = operator== '-' ? *mode & ~bits : * mode | bits;
	}
	return true;
}

/* A directory keeps set-uid and set-gid bits that fewer than five digits do not speak of. */
static bool parse_octal(const char *text, uint32_t old, uint32_t *mode)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	if (*end || value > 07777)
		return false;
	*mode = (uint32_t)value | (S_ISDIR(old) && end - text < 5 ? old & 06000 : 0);
	return true;
}

bool parse_mode(const char *text, uint32_t old, uint32_t *mode)
{
	if (*text >= '0' && *text <= '7')
		return parse_octal(text, old, mode);
	*mode = old;
	do {
		if (!parse_clause(&text, mode))
			return false;
	} while (*text == ',' && *++text);
	*mode &= 07777;
	return !*text;
}

/* ---- owners ---------------------------------------------------------------------------------------- */

static bool parse_id(const char *text, uint32_t *id)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value >= UINT32_MAX)
		return false;
	*id = (uint32_t)value;
	return true;
}

static bool parse_user(const char *name, uint32_t *uid, uint32_t *gid)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw)
		return parse_id(name, uid);
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return true;
}

static bool parse_group(const char *name, uint32_t *gid)
{
	const struct group *gr = getgrnam(name);

	if (!gr)
		return parse_id(name, gid);
	*gid = gr->gr_gid;
	return true;
}

/* "OWNER:" is the owner and the group that the owner logs in with. */
bool parse_owner(const char *text, uint32_t *uid, uint32_t *gid)
{
	size_t n = strcspn(text, ":");
	const char *group = text[n] ? text + n + 1 : NULL;
	char *user = strndup(text, n);
	uint32_t login = UINT32_MAX;
	bool fine;

	*uid = *gid = UINT32_MAX;
	fine = user && (!n || parse_user(user, uid, &login));
	if (!fine)
		complain_usage("'%.*s' is no user", (int)n, text);
	free(user);
	if (fine && group && !*group && n)
		*gid = login;
	if (fine && group && *group && !parse_group(group, gid)) {
		complain_usage("'%s' is no group", group);
		return false;
	}
	return fine;
}

/* ---- times ----------------------------------------------------------------------------------------- */

/* Digits behind a point, as nanoseconds; *text goes on behind them. */
static uint64_t parse_fraction(const char **text)
{
	uint64_t ns = 0, unit = 100000000;

	if (**text != '.' && **text != ',')
		return 0;
	for (++*text; **text >= '0' && **text <= '9'; ++*text, unit /= 10)
		ns += unit * (uint64_t)(**text - '0');
	return ns;
}

bool parse_date(const char *text, uint64_t *ns)
{
	struct tm tm = {0};
	unsigned long seconds;
	char *end;

	if (*text == '@') {
		if (text[1] < '0' || text[1] > '9')
			return false;
		seconds = strtoul(text + 1, &end, 10);
		text = end;
	} else {
		end = strptime(text, strchr(text, 'T') ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S",
			       &tm);
		if (!end || timegm(&tm) < 0)
			return false;
		seconds = (unsigned long)timegm(&tm);
		text = end;
	}
	if (seconds >= UINT64_MAX / 1000000000)
		return false;
	*ns = seconds * 1000000000 + parse_fraction(&text);
	return !*text || !strcmp(text, "Z");
}
