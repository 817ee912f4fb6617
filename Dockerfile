# Two stages: the first has what building needs, the second only what running needs.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/hipspine
WORKDIR /src
# The pinned libraries first: this layer is kept as long as the lock stays the same.
COPY requirements.lock ./
RUN /opt/hipspine/bin/pip install --require-hashes -r requirements.lock
COPY . .
RUN pip wheel --no-deps --wheel-dir /tmp/wheel . \
 && /opt/hipspine/bin/pip install --no-deps --no-index /tmp/wheel/*.whl \
 && /opt/hipspine/bin/python -m compileall -q /opt/hipspine/lib

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home hipspine && install -d -o 10001 -m 700 /data
COPY --from=build /opt/hipspine /opt/hipspine
# What is stored goes to /data unless HIPSPINE_DATABASE_URL names a PostgreSQL database: keep it on a volume (-v hipspine:/data).
ENV HIPSPINE_DATA_FOLDER=/data
VOLUME /data
# Inside a container loopback reaches nobody. Publish the port to loopback (-p 127.0.0.1:8000:8000) or put a proxy in front.
ENV PATH=/opt/hipspine/bin:$PATH HOST=0.0.0.0 PORT=8000 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-m", "service", "healthcheck"]
CMD ["python", "-m", "service", "serve"]
