"""What an archive holds, in forms that other programs take; the archive itself is only read."""
