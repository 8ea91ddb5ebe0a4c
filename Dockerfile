# The environment of the pipeline's jobs: docker build -t rl4lms-grue .
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/rl4lms-grue
COPY . .
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c constraints.txt ".[cluster,dvclive,peft]" \
    && pip install --no-cache-dir --no-deps -r requirements-nodeps.txt

ENV OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
WORKDIR /work
