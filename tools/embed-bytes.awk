# embed-bytes.awk - what embed.awk and embed-pages.awk share: text as a C array's bytes
#
# As arrays of bytes, since ISO C promises no string longer than 4095.

BEGIN {
	for (i = 1; i < 128; i++)
		code[sprintf("%c", i)] = i
}

function print_bytes(line,	i, c, out)
{
	line = line "\n"
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
