# The page in a container. torch from PyPI carries the CUDA libraries it needs, so no NVIDIA base image is: the host's driver is enough.
FROM python:3.12-slim

# tini passes signals on, so that a running training can save a point when the container is stopped, and reaps what workers leave.
# libgomp1 is what bitsandbytes computes with on a processor; torch brings it under another name.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini libgomp1 \
    && rm -rf /var/lib/apt/lists/*

# The user id that Hugging Face Spaces run containers with.
RUN useradd --create-home --uid 1000 user
ENV HOME=/home/user \
    PATH=/home/user/.local/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /home/user/app

# The libraries first: this layer, the largest by far, is built again only where they change. As root: the page cannot change them.
COPY requirements.txt ./
RUN pip install --no-cache-dir --root-user-action=ignore --requirement requirements.txt
COPY --chown=1000:1000 LICENSE README.md app.py ./
COPY --chown=1000:1000 examples ./examples
COPY --chown=1000:1000 qlora_demo ./qlora_demo

# Models, data and runs, and what comes from the model hub: mount a volume here to keep them. It is made now, so that a new volume belongs to the user.
USER 1000
RUN mkdir /home/user/data
ENV QLORA_DEMO_HOME=/home/user/data \
    HF_HOME=/home/user/data/hub \
    QLORA_DEMO_HOST=0.0.0.0 \
    QLORA_DEMO_PORT=7860
EXPOSE 7860

# A start takes seconds; the first answer may take longer on a slow disk.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=8)"]

# The small model is not in the image: it is fetched at first use, once, into the volume.
ENTRYPOINT ["tini", "--"]
CMD ["python", "app.py"]
