"""The dashboard: `streamlit run app.py` serves pages, routes and, for as long as it lives, the Launcher."""

import streamlit as st

from core.web.server.guard import middleware
from core.web.server.lifespan import lifespan
from core.web.server.routes import routes

app = st.App("core/web/navigation.py", lifespan=lifespan, routes=routes(), middleware=middleware())
