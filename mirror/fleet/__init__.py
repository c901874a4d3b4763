"""Several machines, one bucket: who works on which race, and whose calls of the API are in flight."""
