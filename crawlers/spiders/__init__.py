"""One file a source; the file, the spider and the source have the same name."""
