# embed.awk - makes C constants of the schema's files, in the order given
#
#	awk -f embed.awk schema/001_first.sql ... > schema_embedded.c
#
# As arrays of bytes, since ISO C promises no string longer than 4095.

BEGIN {
	for (i = 1; i < 128; i++)
		code[sprintf("%c", i)] = i
	print "/* made by tools/embed.awk: change the schema's files instead */"
	print "#include \"store/schema.h\""
}

FNR == 1 {
	finish()
	printf "\nstatic const char migration_%d[] = {\n", ++count
}

{
	line = $0 "\n"
	out = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		if (!(c in code)) {
			print FILENAME ":" FNR ": not ASCII" > "/dev/stderr"
			failed = 1
			exit 1
		}
		out = out code[c] ","
	}
	print out
}

function finish()
{
	if (count)
		print "0 };"
}

END {
	if (failed)
		exit 1
	finish()
	print "\nconst char *const schema_migrations[] = {"
	for (i = 1; i <= count; i++)
		printf "\tmigration_%d,\n", i
	print "};"
	printf "\nconst int schema_version = %d;\n", count
}
