"""The dashboard's web side: what is around the pages, and what the pages draw with."""
