# docker build -t steadypose .
# docker run --rm --device /dev/video0 --shm-size 256m --network host steadypose
# More, and how to read poses beyond the container: docs/install.md
FROM python:3.12-slim

RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libegl1 libgles2 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --groups video steadypose && install -d -m 700 -o steadypose -g steadypose /home/steadypose/keys

COPY . /src
RUN pip install --no-cache-dir /src && rm -rf /src

USER steadypose
WORKDIR /home/steadypose
ENV PYTHONUNBUFFERED=1
RUN realtime fetch-model

EXPOSE 5555
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD ["realtime", "health"]
ENTRYPOINT ["realtime"]
CMD ["run"]
