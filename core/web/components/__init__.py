"""Streamlit components of our own: the live charts, and the pad on which a digit is drawn."""
