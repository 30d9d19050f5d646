"""The dashboard: `streamlit run app.py` serves pages, routes and, for as long as it lives, the Launcher."""

import streamlit as st

from core.web.guard import middleware
from core.web.lifespan import lifespan
from core.web.routes import routes

app = st.App("core/web/navigation.py", lifespan=lifespan, routes=routes(), middleware=middleware())
