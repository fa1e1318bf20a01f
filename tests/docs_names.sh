#!/bin/sh
# Every function that README.md and docs/ name, as `name()`, and that a comment "code: name" in models/ names, exists in src/ or include/.
# docs/cli.md has every command with its options.
# test: suite=short timeout=30
set -eu
export LC_ALL=C
cd "$PF_SOURCE_DIR"

names=$(cat README.md docs/*.md docs/*/*.md | grep -o '`[a-z_0-9]*()`' | tr -d '`()' | sort -u)
steps=$(sed -n 's/.*code: //p' models/*.pml | grep -o '[a-z]*_[a-z_]*' | sort -u)
[ -n "$names" ] && [ -n "$steps" ]
bad=0
for name in $names $steps; do
	grep -rqE "(^|[^a-z_0-9])$name\(" src include || { echo "no such function: $name()"; bad=1; }
done
# Links to other files of ours.
for page in README.md docs/*.md docs/*/*.md; do
	for link in $(grep -o '](\([a-z_/.]*\.\(md\|h\|c\)\|LICENSE\))' "$page" | tr -d ']()' | sort -u); do
		[ -f "$(dirname "$page")/$link" ] || { echo "$page: no such file: $link"; bad=1; }
	done
done
# Sources that documents name, and the tests that docs/origin.md does.
for file in $(cat README.md docs/*.md docs/*/*.md | grep -o '`src/[a-z_0-9/]*\.[ch]`' | tr -d '`' | sort -u) \
	$(grep -o '`[a-z_]*\.\(c\|sh\)`' docs/origin.md | tr -d '`' | sed 's,^,tests/,' | sort -u); do
	[ -f "$file" ] || { echo "no such file: $file"; bad=1; }
done
# Commands and options of the program.
for command in $("$PINFOLD" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
	row=$(grep "^| \`$command " docs/cli.md) || { echo "docs/cli.md lacks $command"; bad=1; }
	for option in $("$PINFOLD" "$command" --help | grep -o '^  --[a-z]*' | grep -v -e --help); do
		case $row in
		*"$option"*) ;;
		*) echo "docs/cli.md: $command lacks $option"; bad=1 ;;
		esac
	done
done
exit $bad
