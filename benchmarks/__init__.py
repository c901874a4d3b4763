"""How fast and how frugal the program is, beside others that fetch files; see README.md."""
