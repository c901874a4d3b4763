"""The promises of mirror, one test each."""
