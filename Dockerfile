# docker build -t mfagap .
# docker run -v mfagap:/data -e OKTA_CLIENT_ORGURL -e OKTA_CLIENT_TOKEN mfagap serve
# Metrics: add -p 127.0.0.1:9464:9464 before the image, and --metrics 0.0.0.0:9464 after `serve`.
# /data holds mfagap.toml (docker run -v mfagap:/data mfagap init) and the state.
FROM python:3.13-slim
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --uid 10001 --no-create-home mfagap \
    && install -d -o mfagap -g mfagap -m 0700 /data
USER mfagap
WORKDIR /data
ENV MFAGAP_CONFIG=/data/mfagap.toml
VOLUME /data
ENTRYPOINT ["mfagap"]
CMD ["--help"]
