"""Apache Kafka as one JVM with broker and KRaft controller."""

import base64
import hashlib
import logging
import shutil
import signal
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from stack.cache import fetched
from stack.errors import PortTakenError, StackError
from stack.home import Home
from stack.kafka_jars import KAFKA_VERSION
from stack.local import LocalPart, Program
from stack.ports import LOOPBACK, free_port
from stack.wire import kafka_answers

_TRIES = 5
_ARCHIVE = "classes.jsa"
_log = logging.getLogger(__name__)

# Four partitions per internal topic: creating the default of fifty takes a second at first use.
_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # A killed broker is admitted again after its old session has expired: 9 s by default.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
}

_QUICK = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
_THOROUGH = ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTools:
    """The tools and options of a broker."""

    java: Path
    jars: Path
    fast_jvm: bool
    cache: Path
    """The folder for the archive of classes."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    listeners: Mapping[str, int] = field(default_factory=dict)
    scram: Mapping[str, str] = field(default_factory=dict)


def start_kafka(tools: KafkaTools, home: Home) -> tuple[str, LocalPart]:
    """Start an empty broker; return its `host:port` and the part, ready."""
    classes = fetched(
        tools.cache / f"kafka-classes-{_build(tools)}", partial(_archive, tools, home)
    )
    archive = home.reachable(classes) / _ARCHIVE
    return _start(tools, home, f"-XX:SharedArchiveFile={archive}")


def _archive(tools: KafkaTools, home: Home, folder: Path) -> None:
    """Have Java archive the classes of a broker, parsed and verified, for the starts that follow."""
    _log.info("archiving the classes of Kafka %s, once", KAFKA_VERSION)
    plain = replace(tools, overrides={}, listeners={}, scram={})
    made = home.folder / _ARCHIVE
    _, part = _start(plain, home, f"-XX:ArchiveClassesAtExit={made}")
    part.stop()
    if made.exists():  # else this Java can't
        shutil.copy(made, folder)


def _build(tools: KafkaTools) -> str:
    """Identify Java and the jars: Java uses an archive only with those that it was made with."""
    files = [tools.java.resolve(), *sorted(tools.jars.glob("*.jar"))]
    text = "".join(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}\n" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _start(tools: KafkaTools, home: Home, archive: str) -> tuple[str, LocalPart]:
    for _ in range(_TRIES - 1):
        try:
            return _start_once(tools, home, archive)
        except PortTakenError:
            continue
    return _start_once(tools, home, archive)


def _start_once(tools: KafkaTools, home: Home, archive: str) -> tuple[str, LocalPart]:
    port, controller = free_port(), free_port()
    folder = home.data("kafka")
    libraries = home.programs("kafka-tmp")  # unpacked native ones, which would stay in /tmp
    config = folder / "server.properties"
    properties = server_properties(port, controller, str(folder / "data"), tools.overrides)
    for protocol, at in tools.listeners.items():
        properties["listeners"] += f",{protocol}://{LOOPBACK}:{at}"
        properties["advertised.listeners"] += f",{protocol}://{LOOPBACK}:{at}"
        properties["listener.security.protocol.map"] += f",{protocol}:{protocol}"
    config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    config.chmod(0o644)
    jvm = [*_jvm(tools, libraries, home), archive]
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    code, output = home.run(
        [
            *(*jvm, "kafka.tools.StorageTool", "format"),
            *("--standalone", f"--cluster-id={cluster}", f"--config={config}"),
            *_scram_options(tools.scram),
        ]
    )
    if code != 0:
        raise StackError(f"Kafka's storage could not be formatted:\n{output[-2000:]}")
    part = LocalPart(
        Program(
            name="Kafka",
            command=[*jvm, "kafka.Kafka", str(config)],
            folder=home.folder,
            log_file=home.logs / "kafka.log",
            answers=lambda: kafka_answers(port),
            stop_signal=signal.SIGTERM,
            discard_signal=signal.SIGKILL,
        ),
        home,
    )
    part.start()
    return f"{LOOPBACK}:{port}", part


def server_properties(
    port: int, controller: int, data: str, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return a broker's configuration; `data` is its folder for the logs of topics."""
    return {
        **_PROPERTIES,
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller}",
        "log.dirs": data,
        **overrides,
    }


def _scram_options(users: Mapping[str, str]) -> list[str]:
    return [
        f"--add-scram={mechanism}=[name={user},password={password}]"
        for user, password in users.items()
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    ]


def _jvm(tools: KafkaTools, libraries: Path, home: Home) -> list[str]:
    jars = home.reachable(tools.jars)
    if home.folder in jars.parents:
        jars = jars.relative_to(home.folder)  # an archive of classes is valid for these paths only
    return [
        str(tools.java),
        *(_QUICK if tools.fast_jvm else _THOROUGH),
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={libraries}",
        # else each start and each topic logs all settings
        "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
        "-cp",
        ":".join(f"{jars}/{jar.name}" for jar in sorted(tools.jars.glob("*.jar"))),
    ]
