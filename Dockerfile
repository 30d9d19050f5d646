# The hosted demo: docs/hosting.md says how to run it, and which of these steps were tested without Docker.
FROM python:3.11-slim

# Nobody writes into the image when it runs: what TensorFlow, PyTorch and Streamlit keep goes to /tmp, runs to /data.
# USER names who we are where the uid has no name, as libraries ask for one.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    HOME=/tmp \
    TMPDIR=/tmp \
    KERAS_HOME=/tmp/keras \
    MPLCONFIGDIR=/tmp/matplotlib \
    USER=duel

WORKDIR /app

# What changes seldom stands first: new sources do not install anything again.
COPY requirements.txt constraints.txt ./
COPY core/__init__.py core/install.py core/
RUN TORCH=cpu python -m core.install

COPY . .
# Every run starts fresh processes, and none of them may keep what it compiles.
RUN python -m compileall -q core
# As the installation would, had it had the sources: what browsers fetch, compressed.
RUN python -m core.web.server.copies
RUN mkdir -m 1777 /data

ENV DUEL_PROFILE=hosted \
    DUEL_DATA_DIR=/data \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    PORT=7860

USER 1000:1000
EXPOSE 7860

# Asks the server itself with the standard library alone: a Python that imports the project each half minute would take
# time from the trainings that are measured here. More is told by `docker exec NAME python -m core health`.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-IS", "-c", "import http.client, os; \
        server = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); \
        path = os.path.join('/', os.environ.get('STREAMLIT_SERVER_BASE_URL_PATH', ''), '_stcore/health'); \
        server.request('GET', path); \
        raise SystemExit(server.getresponse().status != 200)"]

CMD ["python", "-m", "core.serve"]
