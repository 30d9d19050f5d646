"""Streamlit components of our own: the live charts, the network editor, and the pad on which a digit is drawn."""
