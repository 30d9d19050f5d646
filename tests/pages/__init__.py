"""Tests of every page through Streamlit's AppTest, with the fake engine."""
