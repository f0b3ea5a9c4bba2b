"""How fast it is: rows of one run, each beside what the machine's own signing rate would allow."""
