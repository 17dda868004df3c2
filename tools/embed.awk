# embed.awk - makes C constants of the schema's files, in the order given
#
#	awk -f embed-bytes.awk -f embed.awk schema/001_first.sql ... > schema_embedded.c

BEGIN {
	print "/* made by tools/embed.awk: change the schema's files instead */"
	print "#include \"store/schema.h\""
}

FNR == 1 {
	finish()
	printf "\nstatic const char migration_%d[] = {\n", ++count
}

{ print_bytes($0) }

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
