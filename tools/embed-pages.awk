# embed-pages.awk - makes C constants of the styles and scripts of our pages
#
#	awk -f embed-bytes.awk -f embed-pages.awk handler/edge/page.css ... > assets_embedded.c
#
# page.css becomes page_css. Indentation, empty lines and comments that have a line
# of their own are left out: every page carries these files.

BEGIN {
	print "/* made by tools/embed-pages.awk: change the files instead */"
	print "#include \"edge/assets.h\""
}

FNR == 1 {
	finish()
	name = FILENAME
	sub(/.*\//, "", name)
	gsub(/[^a-z0-9]/, "_", name)
	printf "\nconst char %s[] = {\n", name
	comment = 0
}

{ sub(/^[ \t]+/, "") }

/^\/\*/ { comment = 1 }

comment {
	if (/\*\/$/)
		comment = 0
	next
}

/./ { print_bytes($0) }

function finish()
{
	if (name)
		print "0 };"
}

END {
	if (failed)
		exit 1
	finish()
}
