# One image for every process of docker-compose.yml; what a process does is its command.
FROM python:3.13-slim AS build
WORKDIR /tarmac
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
COPY requirements.lock ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home tarmac && chmod 0700 /data
COPY --from=build /venv /venv
WORKDIR /tarmac
COPY . .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/tarmac TARMAC_HOME=/data
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e .
USER tarmac
VOLUME /data
# reads X_FILE into X, then runs `python` with the arguments of the service
ENTRYPOINT ["python", "-m", "flows.local.secret_files"]
