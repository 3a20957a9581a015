"""The pictures of the documents, drawn from a staged database at a staged moment: `make pictures`."""
