"""The article's claims, what measures them and what their evidence says."""
