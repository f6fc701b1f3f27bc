"""Java, and Apache Kafka's own jars as Maven resolves them."""

import logging
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from stack.cache import cache_folder, fetched, run_fetcher
from stack.errors import NotFittingError

KAFKA_VERSION = "4.1.0"
_OLDEST_JAVA = 17

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local.segments</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

_ELSE = (
    "or start Docker, or set SEGMENTS_KAFKA_BOOTSTRAP_SERVERS and SEGMENTS_DATABASE_URL"
    " to existing servers"
)

_log = logging.getLogger(__name__)


def java(environment: Mapping[str, str]) -> Path:
    """Return the `java` of JAVA_HOME or PATH if it is new enough; else NotFittingError."""
    advice = (
        f"install Java {_OLDEST_JAVA} or newer (Debian: apt install openjdk-17-jre-headless;"
        f" macOS: brew install openjdk@17), {_ELSE}"
    )
    home = environment.get("JAVA_HOME")
    path = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    path = path or shutil.which("java", path=environment.get("PATH", ""))
    if path is None:
        raise NotFittingError(f"Java, which Kafka needs, was not found: {advice}")
    output = subprocess.run(  # noqa: S603 - found above
        [path, "-version"], capture_output=True, text=True, check=False, env=dict(environment)
    ).stderr
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        first = output.strip().splitlines()[:1]
        raise NotFittingError(f"{path} is too old for Kafka {KAFKA_VERSION} ({first}): {advice}")
    return Path(path)


def kafka_jars(environment: Mapping[str, str]) -> Path:
    """Return the folder with Kafka's jars; Maven is needed only for the first download."""

    def fetch(folder: Path) -> None:
        maven = shutil.which("mvn", path=environment.get("PATH", ""))
        if maven is None:
            raise NotFittingError(
                f"Maven, which downloads Kafka {KAFKA_VERSION}, was not found: install it"
                f" (Debian: apt install maven; macOS: brew install maven), {_ELSE}"
            )
        _log.info("fetching the jars of Kafka %s with Maven, once", KAFKA_VERSION)
        pom = folder / "pom.xml"
        pom.write_text(_POM)
        run_fetcher(
            [
                *(maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"),
                *("-DincludeScope=runtime", f"-DoutputDirectory={folder}"),
            ],
            folder=folder,
            environment=environment,
            advice="check that this machine can reach a Maven repository (~/.m2/settings.xml)",
        )

    return fetched(cache_folder(environment) / f"kafka-{KAFKA_VERSION}", fetch)
