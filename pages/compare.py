"""Compare: the article's ten rows, each judged and measured here, and beside them what really differs."""

import streamlit as st

from core.compare import claims, summary
from core.compare.differences.measured import all_measured
from core.compare.export import as_csv, as_markdown
from core.compare.study_evidence import costs, strongest
from core.launcher.launcher import Launcher
from core.storage.database import StoreError
from core.storage.measurements import Measurement
from core.web.compare import asked, listing
from core.web.compare import claims as claims_view
from core.web.compare.differences import Around
from core.web.elements import measuring
from core.web.elements.markdown import literal
from core.web.elements.presses import available_launcher, refused
from core.web.elements.spoken import spoken
from core.web.server.installation import installation
from core.web.server.shell import PAGE_FILES

measurements = installation().measurements


def linked() -> claims.Claim | None:
    """The row that the link names, or None; a sentence where there is no such row."""
    number = st.query_params.get("claim")
    if number is None:
        return None
    try:
        return claims.claim(int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0)
    except KeyError:
        st.markdown(f":red[There is no such claim: choose 1 to {len(claims.CLAIMS)}. All of them are shown.]")
        return None


def controls(rows: list[claims.Judged], launcher: Launcher | None, going: list[str]) -> None:
    """Measure all, or how far that is and Stop; and the downloads."""
    probed = [judged for judged in rows if judged.claim.probe]
    with st.container(horizontal=True, vertical_alignment="center"):
        # Where each visitor has a few at a time, all of them at once are out of reach.
        few = launcher is not None and (installation().limits.visitor_at_once or len(probed)) < len(probed)
        cannot = launcher is None or bool(going)
        if few:
            st.caption("Open a row to measure it here.", width="content")
        else:
            these = launcher, [judged.claim.order for judged in probed], "measure_all"
            measure, icon = measuring.measure, ":material/speed:"
            st.button("Measure all", icon=icon, key=these[2], disabled=cannot, on_click=measure, args=these)
        with st.popover("Download"):
            st.download_button("Markdown", lambda: as_markdown(rows), "keras-vs-pytorch.md", "text/markdown")
            st.download_button("CSV", lambda: as_csv(rows), "keras-vs-pytorch.csv", "text/csv")
        if not going and not few:
            took = sum(claims_view.took_s(judged) for judged in probed)
            st.caption(f"About {max(1, round(took / 60))} minutes on this machine.", width="content")
    refused("measure_all")
    if launcher is not None and len(going) > 1:
        measuring.all_of_them(launcher, going, claims_view.going_before(rows))


def chosen(rows: list[claims.Judged]) -> list[claims.Judged]:
    """The rows of the verdicts that were picked; all where none is."""
    counts = claims.counts(rows)
    picked = st.pills(
        ":material/filter_list: Show only claims with the verdict",
        list(counts),
        selection_mode="multi",
        format_func=lambda verdict: f"{claims.LABELS.get(verdict, verdict)} ({counts[verdict]})",
        key="verdicts",
        wrap=True,
    )
    shown = [judged for judged in rows if not picked or set(judged.verdicts.values()) & set(picked)]
    number = f"{len(shown)} of {len(rows)} claims are shown. " if picked else ""
    sides = f"The numbers count sides: each claim has two, {sum(counts.values())} in all; a badge “Both” counts as two."
    st.caption(number + sides)
    return shown


def the_article(
    rows: list[claims.Judged],
    wanted: claims.Claim | None,
    newest: dict[str, Measurement],
    launcher: Launcher | None,
    going: list[str],
) -> None:
    """The article's claims, or the one that the link names."""
    asked.keep(**({"claim": str(wanted.number)} if wanted else {}))
    spoken(claims_view.said(rows, newest, going), "compare")
    if wanted is None:
        article = f"[{claims.ARTICLE}]({claims.ARTICLE_URL})"
        st.markdown(f"Ten claims of the article {article}, each tested.")
        dated = f"then what we found, as of {claims.AS_OF} where a row gives no other date"
        st.caption(f"In quotes what the article's table says, shortened; {dated}.")
        shown = chosen(rows)
        controls(rows, launcher, going)
    else:
        shown = [judged for judged in rows if judged.claim is wanted]
        st.page_link(PAGE_FILES["Compare"], label="Show all ten claims", icon=":material/arrow_back:")
    for judged in shown:
        claims_view.row(judged, newest.get(judged.claim.subject), launcher, going, only=wanted is not None)


st.title("Compare", anchor=False)
try:
    store, studies = installation().store, installation().studies
    found = measurements.results(), measurements.recorded()
    rows = claims.all_judged(*found, strongest(studies, store))
    differences = all_measured(*found, costs(studies, store))
    if asked.is_of_all():
        claims_view.on_top(summary.lines(rows, differences))
    view = asked.view()
    launcher = available_launcher()
    going = launcher.measuring(lessons=False) if launcher else []
    newest = measurements.newest_of_all()
    if view == asked.DIFFERENCES:
        spoken(listing.said(differences, newest, going), "compare")
        around = Around(launcher, going, newest)
        listing.show(differences, around, asked.one_difference(), asked.network_at_hand())
    else:
        the_article(rows, linked(), newest, launcher, going)
except StoreError as error:
    st.error(literal(error))
