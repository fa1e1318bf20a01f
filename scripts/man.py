#!/usr/bin/env python3
"""Man pages, made from what cannot be wrong: the comments of include/pinfold.h and what `pinfold COMMAND --help` says.

    man.py list HEADER CLI_H            names of all pages, one a line
    man.py make HEADER PINFOLD VERSION DIRECTORY

Section 1: pinfold, and pinfold-COMMAND for each. Section 3: pinfold (what holds for all functions, paths, errors), and a page for each function.
"""
import os, re, subprocess, sys

DEFINITION, FUNCTION, TEXT = "definition", "function", "text"


# ---- roff -------------------------------------------------------------------------------------------

def plain(text):
    """One line of text."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\\&" + text if text.startswith(".") else text


def words(text):
    """Text in which names are made bold: functions, constants, what is in backticks."""
    text = re.sub(r"\s+", " ", text).strip()
    parts = re.split(r"(\bpf_\w+\(\)|-?\bPF_[A-Z_]+\b(?:\.\.\.)?|`[^`]+`|\*?\bstruct pf_\w+)", text)
    out = []
    for i, part in enumerate(parts):
        if i % 2 == 0:
            out.append(plain(part).replace("\\&", "") if out else plain(part))
        elif part.endswith("()"):
            out.append("\\fB%s\\fP(3)" % plain(part[:-2]))
        elif part.startswith("`"):
            out.append("\\fI%s\\fP" % plain(part[1:-1]))
        else:
            out.append("\\fB%s\\fP" % plain(part))
    return "".join(out)


def code(text):
    return ".PP\n.EX\n" + "\n".join(plain(line.expandtabs(8)) for line in text.splitlines()) + "\n.EE\n"


def page(name, section, version, summary, body):
    return '.\\" Made by scripts/man.py.\n.TH %s %d "" "pinfold %s"\n.SH NAME\n%s \\- %s\n%s' % (
        plain(name).upper() if section == 1 else plain(name), section, version, plain(name), summary, body)


# ---- the header -------------------------------------------------------------------------------------

class Item:
    def __init__(self, kind, source, comment, section):
        self.kind, self.source, self.comment, self.section = kind, source, comment, section
        self.name = re.search(r"\b(pf_\w+)\(", source).group(1) if kind == FUNCTION else None


def without_marks(comment):
    """The text of a comment."""
    text = re.sub(r"^/\*|\*/$", "", comment.strip())
    return "\n".join(re.sub(r"^ \* ?", "", line) for line in text.splitlines()).strip()


def end_of(lines, i):
    """Index after the declaration that begins at line i."""
    depth = 0
    while True:
        bare = re.sub(r"/\*.*?\*/", "", lines[i])
        depth += bare.count("{") - bare.count("}")
        i += 1
        if lines[i - 1].startswith("#define") or lines[i - 1].startswith("\t") and depth == 0 and lines[i - 2].endswith("\\"):
            if not lines[i - 1].endswith("\\"):
                return i
        elif depth == 0 and bare.rstrip().endswith(";"):
            return i


def read_header(path):
    """What the first comment says; the items after it."""
    text = open(path).read()
    top = without_marks(re.match(r"/\*.*?\*/", text, re.S).group(0))
    lines = text[text.index("#define PF_PAGE_SIZE"):text.index("#pragma GCC visibility pop")].splitlines()
    items, section, i = [], "errors", 0
    while i < len(lines):
        comment, begin = None, i
        if not lines[i].strip():
            i += 1
            continue
        if lines[i].startswith("/*"):
            while "*/" not in lines[i]:
                i += 1
            i += 1
            comment = "\n".join(lines[begin:i])
            heading = re.match(r"/\* -{4} (.*?) -{4,} \*/", comment)
            if heading:
                section = heading.group(1)
                continue
            if i == len(lines) or not lines[i].strip():
                items.append(Item(TEXT, "", without_marks(comment), section))
                continue
        if lines[i].startswith("#define PF_ERRORS"):
            while not lines[i].startswith("};"):
                i += 1
            i += 1
            continue
        start, i = i, end_of(lines, i)
        source = "\n".join(lines[start:i])
        if re.match(r"[a-z].*\bpf_\w+\(", source) and not source.startswith("typedef"):
            text = without_marks(comment or "")
            if text.startswith("The same"):
                text = "As %s()," % [o.name for o in items if o.kind == FUNCTION][-1] + text[8:]
            items.append(Item(FUNCTION, source, text, section))
        else:
            items.append(Item(DEFINITION, (comment + "\n" if comment else "") + source, "", section))
    return top, items


def read_errors(path):
    """Code -> (errno, sentence)."""
    text = open(path).read()
    text = text[text.index("#define PF_ERRORS"):text.index("#define PF_ERROR_CODE")].replace("\\\n", "\n")
    found = re.findall(r"X\((\w+),\s*(\w+),\s*((?:\"[^\"]*\"\s*)+)\)", text)
    return {name: (errno, "".join(re.findall(r'"([^"]*)"', sentence))) for name, errno, sentence in found}


# ---- section 3 --------------------------------------------------------------------------------------

def split_comment(text):
    """Description, errors, blocking."""
    parts = re.split(r"\b(Errors\b|Blocks\b)", text)
    found = {"": parts[0], "Errors": "", "Blocks": ""}
    for mark, rest in zip(parts[1::2], parts[2::2]):
        found[mark] += " " + (rest.lstrip(": ") if mark == "Errors" and rest.startswith(":") else mark + rest)
    return found[""], found["Errors"], found["Blocks"]


def summary_of(item):
    text = re.sub(r"\s+", " ", split_comment(item.comment)[0])
    first = re.split(r"(?<=[a-z0-9)])[.:;] ", text + " ")[0].strip().rstrip(".")
    if first.count("(") > first.count(")"):
        first = first[:first.rindex("(")].strip()
    return words(first[:1].lower() + first[1:])


def error_list(text, errors):
    names = [name for name in dict.fromkeys(re.findall(r"\bPF_E\w+", text)) if name in errors]
    return "".join(".TP\n\\fB\\-%s\\fP (%s)\n%s.\n" % (name, errors[name][0], words(errors[name][1])) for name in names)


def paragraphs(text):
    return "".join(".PP\n%s\n" % words(p) for p in re.split(r"\n\s*\n", text) if p.strip())


def function_page(item, definitions, others, errors, version):
    description, failures, blocks = split_comment(item.comment)
    body = ".SH SYNOPSIS\n.nf\n.B #include <pinfold.h>\n.PP\n"
    body += "".join(".B \"%s\"\n" % plain(line.expandtabs(8)).replace('"', '""') for line in item.source.splitlines()) + ".fi\n"
    if definitions:
        body += code("\n".join(definitions))
    body += ".SH DESCRIPTION\n" + paragraphs(description)
    body += ".SH ERRORS\n" + (words(failures.strip()[:1].upper() + failures.strip()[1:]) + "\n" if failures else "Those of all functions, see \\fBpinfold\\fP(3).\n") + error_list(failures, errors)
    if blocks:
        body += ".SH BLOCKING\n" + words(blocks) + "\n"
    body += ".SH SEE ALSO\n" + ", ".join(["\\fBpinfold\\fP(3)"] + ["\\fB%s\\fP(3)" % plain(o) for o in others]) + "\n"
    return page(item.name, 3, version, summary_of(item), body)


def overview(top, items, errors, version):
    body = ".SH SYNOPSIS\n.B #include <pinfold.h>\n.PP\n.B cc ... $(pkg\\-config \\-\\-cflags \\-\\-libs pinfold)\n.SH DESCRIPTION\n"
    body += paragraphs(top.split("\n", 1)[1] if top.startswith("pinfold:") and "\n\n" in top[:200] else top)
    for item in items:
        if item.kind == TEXT:
            body += ".SS %s\n" % plain(item.section[:1].upper() + item.section[1:]) + paragraphs(item.comment)
    section = None
    body += ".SH FUNCTIONS\n"
    for item in items:
        if item.kind != FUNCTION:
            continue
        if item.section != section:
            section = item.section
            body += ".SS %s\n" % plain(section[:1].upper() + section[1:])
        body += ".TP\n\\fB%s\\fP(3)\n%s\n" % (plain(item.name), summary_of(item))
    body += ".SH ERRORS\n" + error_list(" ".join(errors), errors)
    body += ".SH SEE ALSO\n\\fBpinfold\\fP(1)\n"
    return page("pinfold", 3, version, "files in a pool of shared memory that many processes map and pin", body)


def library_pages(header, version):
    top, items = read_header(header)
    errors = read_errors(header)
    pages, pending = {"pinfold.3": overview(top, items, errors, version)}, []
    for item in items:
        if item.kind == DEFINITION:
            pending.append(item)
        elif item.kind == FUNCTION:
            mine = [d.source for d in pending if d.section == item.section]
            others = [o.name for o in items if o.kind == FUNCTION and o.section == item.section and o is not item]
            pages[item.name + ".3"] = function_page(item, mine, others, errors, version)
            pending = []
    return pages


# ---- section 1 --------------------------------------------------------------------------------------

ENVIRONMENT = """.SH ENVIRONMENT
.TP
.B PINFOLD_RUNTIME_DIR
Where runtimes are; /dev/shm if it is not set. All processes that use a pool must agree on it.
"""


def help_of(program, *command):
    return subprocess.run([program, *command, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout


def options_of(lines):
    out = ""
    for line in lines:
        names, text = re.match(r"  (--[a-z-]+(?:, -\w)*)\s+(.*)", line).groups()
        out += ".TP\n\\fB%s\\fP\n%s\n" % (plain(names), words(text))
    return out


def command_page(program, command, version):
    lines = help_of(program, command).splitlines()
    at = lines.index("Options:")
    usage = [line[7:] for line in lines[1:at] if re.match(r"(usage:|      ) pinfold", line)]
    example = [line[9:] for line in lines[:at] if line.startswith("Example: ")]
    text = [line for line in lines[1:at] if line and not line.startswith("Example: ") and not re.match(r"(usage:|      ) pinfold", line)]
    body = ".SH SYNOPSIS\n.nf\n" + "".join("\\fB%s\\fP\n" % plain(line) for line in usage) + ".fi\n"
    summary = lines[0].split(": ", 1)[1]
    body += ".SH DESCRIPTION\n%s.\n" % words(summary[:1].upper() + summary[1:])
    body += ".PP\n%s\n" % words(" ".join(text)) if text else ""
    body += ".PP\nWhat is in a pool is written \\fIPOOL\\fP:/\\fIpath\\fP.\n"
    body += ".SH OPTIONS\n" + options_of(line for line in lines[at + 1:] if line.startswith("  --"))
    body += ".SH EXIT STATUS\n0 fine; 1 it failed, and one line on standard error says what and why; 2 wrong usage.\n"
    body += ENVIRONMENT
    if example:
        body += ".SH EXAMPLES\n" + code("\n".join(example))
    body += ".SH SEE ALSO\n\\fBpinfold\\fP(1), \\fBpinfold\\fP(3)\n"
    return page("pinfold-" + command, 1, version, words(summary), body)


def program_pages(program, version):
    lines = help_of(program).splitlines()
    commands = [re.match(r"  ([a-z]+) +(.*)", line).groups() for line in lines if re.match(r"  [a-z]+ ", line) and not line.startswith("  pinfold ")]
    body = ".SH SYNOPSIS\n.nf\n.B pinfold \\fICOMMAND\\fP [\\fIOPTIONS\\fP] [\\fIOPERANDS\\fP]\n.B pinfold \\fICOMMAND\\fP \\-\\-help\n.fi\n"
    body += """.SH DESCRIPTION
A pool is one memory device (a file on tmpfs or hugetlbfs, a file on a DAX file system, or a /dev/dax node) with files in it that many processes map and pin. Each command opens the pool that is named,
does its work, and closes it; there is no daemon. What is in a pool is written \\fIPOOL\\fP:/\\fIpath\\fP, as in /dev/shm/pool:/models/a.bin. A local path with \\(lq:/\\(rq in it is written with \\(lq./\\(rq in front.
.PP
Options may stand before or after operands, those of one letter together; behind \\fB\\-\\-\\fP all are operands. A \\fISIZE\\fP is a number of bytes, or with K, M, G, T (powers of 1024).
.SH PATTERNS
A path behind \\fIPOOL\\fP: may be a pattern of \\fB*\\fP, \\fB?\\fP and \\fB[...]\\fP, with the meaning that they have for a shell in the C locale (see \\fBglob\\fP(7)): it stands for all files that match, in the order of their bytes.
It has to be quoted, so that the shell leaves it alone.
.IP \\(bu 2
A file that has the pattern's very name is meant, and no other.
.IP \\(bu 2
A backslash quotes the character behind it. A path in which each \\fB*\\fP, \\fB?\\fP, \\fB[\\fP and \\fB\\e\\fP is quoted is that name, whatever is there.
.IP \\(bu 2
A pattern that matches nothing is an error, and nothing is done; except for \\fBrm \\-f\\fP, and for \\fBtouch\\fP, which makes a file of that name.
.IP \\(bu 2
What is made is no pattern: the last operand of \\fBcp\\fP, \\fBmv\\fP and \\fBln\\fP, and those of \\fBmkdir\\fP and \\fBmkdev\\fP.
.IP \\(bu 2
\\fBattr\\fP, \\fBtruncate\\fP, \\fBpunch\\fP and \\fBhold\\fP take one file, and refuse a pattern that matches several.
.SH COMMANDS
"""
    body += "".join(".TP\n\\fBpinfold\\-%s\\fP(1)\n%s\n" % (name, words(text)) for name, text in commands)
    body += ".SH EXIT STATUS\n0 fine; 1 it failed, and one line on standard error says what and why; 2 wrong usage. Also 1: \\fBfsck\\fP when something is wrong with the pool, \\fBevict\\fP when something is still held, \\fBwatch \\-\\-once\\fP when nothing changed in time, \\fBhold \\-\\-verify\\fP when a held byte changed.\n"
    body += ENVIRONMENT + ".SH EXAMPLES\n" + code("pinfold mkfs /dev/shm/pool --size 1G\npinfold cp -r models /dev/shm/pool:/\npinfold ls -l /dev/shm/pool:/models\npinfold who /dev/shm/pool")
    body += ".SH SEE ALSO\n\\fBpinfold\\fP(3)\n"
    pages = {"pinfold.1": page("pinfold", 1, version, "files in a pool of shared memory that many processes map and pin", body)}
    for name, _ in commands:
        pages["pinfold-%s.1" % name] = command_page(program, name, version)
    return pages


def main():
    if sys.argv[1] == "list":
        _, items = read_header(sys.argv[2])
        functions = [item.name for item in items if item.kind == FUNCTION]
        commands = re.findall(r"\bcmd_([a-z]+)", open(sys.argv[3]).read())
        print("\n".join(["pinfold.1", "pinfold.3"] + ["pinfold-%s.1" % c for c in commands] + ["%s.3" % f for f in functions]))
        return
    header, program, version, directory = sys.argv[2:]
    for name, text in {**library_pages(header, version), **program_pages(program, version)}.items():
        with open(os.path.join(directory, name), "w") as out:
            out.write(text)


main()
