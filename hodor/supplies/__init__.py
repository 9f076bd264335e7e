"""What comes from elsewhere: the authors' files, the data sets to download by hand, and what of all this is here and works."""
