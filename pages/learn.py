"""Learn: the article's two examples and its lessons, each run for real, and why a study may be watched."""

import streamlit as st

from core.launcher.launcher import Launcher
from core.learn import lessons, peeking
from core.storage.database import StoreError
from core.web.elements import address, measuring
from core.web.elements.markdown import literal
from core.web.elements.presses import available_launcher, refused
from core.web.elements.spoken import spoken
from core.web.learn import lesson as lesson_view
from core.web.learn import peeking as peeking_view
from core.web.server.installation import installation

measurements = installation().measurements
TITLES = {lesson.slug: lesson.title for lesson in lessons.LESSONS} | {peeking.SLUG: peeking.TITLE}


def place() -> str:
    """The slug that is picked; the link `?lesson=` picks one, too, and follows."""
    slugs = list(TITLES)
    linked = st.query_params.get("lesson")
    if linked is not None and linked not in slugs:
        st.markdown(f":red[There is no such lesson. Lessons: {', '.join(slugs)}.]")
    elif linked is not None and linked != st.session_state.get("lesson_in_url"):
        st.session_state["lesson"] = linked
    picked = st.pills(
        "Lesson",
        slugs,
        default=None if "lesson" in st.session_state else slugs[0],
        required=True,
        format_func=TITLES.__getitem__,
        key="lesson",
        label_visibility="collapsed",
        wrap=True,
    )
    slug = st.session_state["lesson_in_url"] = picked or slugs[0]
    address.keep("learn", lesson=slug)
    return slug


def show(launcher: Launcher | None, lesson: lessons.Lesson) -> None:
    """A lesson whose scripts run."""
    st.header(lesson.title, anchor=False)
    st.markdown(lesson.words, width=720)
    newest = measurements.newest(lesson.subject)
    live = newest is not None and newest.live
    spoken(measuring.said("The lesson", newest), lesson.slug)
    # The control stands before the code, which shows its value.
    value = lesson_view.control(lesson, disabled=live)
    lesson_view.code(lesson, value)
    if live and launcher and newest:
        lesson_view.while_it_runs(launcher, newest, launcher.measuring())
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Run",
                icon=":material/play_arrow:",
                type="primary",
                width=120,
                key=f"run_{lesson.slug}",
                disabled=launcher is None,
                on_click=lesson_view.run,
                args=(launcher, lesson),
            )
            st.caption(f"About {lesson.about_s} s.", width="content")
        refused(lesson.subject)
        lesson_view.ended(lesson, measurements)


st.title("Learn", anchor=False)
st.markdown("The article's two examples and its lessons, run for real on this machine.")
try:
    launcher = available_launcher()
    slug = place()
    if slug == peeking.SLUG:
        peeking_view.lesson()
    else:
        show(launcher, lessons.lesson(slug))
except StoreError as error:
    st.error(literal(error))
