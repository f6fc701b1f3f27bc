"""What is said, and kept, when a stack cannot be had."""

import shutil
from pathlib import Path

import pytest

from stack import Stack, StackError, StackOptions, start_stack
from stack.ports import free_port

CLOSED = "127.0.0.1:1"


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def refused(environment: dict[str, str]) -> str:
    options = StackOptions(allow_docker=False, environment=environment)
    with pytest.raises(StackError) as caught, start_stack(options):
        pass
    return str(caught.value)


def test_without_java_it_says_what_to_install() -> None:
    message = refused({"PATH": ""})
    assert "Java, which Kafka needs, was not found" in message
    assert "apt install openjdk-17-jre-headless" in message
    assert "or start Docker" in message
    assert "SEGMENTS_KAFKA_BOOTSTRAP_SERVERS" in message


def test_an_old_java_is_named_and_refused(tmp_path: Path) -> None:
    program(tmp_path / "bin", "java", """echo 'openjdk version "11.0.2"' >&2""")
    message = refused({"PATH": str(tmp_path / "bin")})
    assert str(tmp_path / "bin" / "java") in message
    assert "too old" in message
    assert "install Java 17" in message


@pytest.fixture
def only_java(tmp_path: Path) -> dict[str, str]:
    """An environment with Java, an empty cache, and no Maven."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("no Java here")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(java)
    return {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_without_maven_it_says_what_to_install(only_java: dict[str, str]) -> None:
    message = refused(only_java)
    assert "was not found: install it" in message
    assert "apt install maven" in message
    assert "or start Docker" in message


def test_when_maven_fails_its_words_are_passed_on_and_no_half_of_it_stays(
    only_java: dict[str, str], tmp_path: Path
) -> None:
    program(tmp_path / "bin", "mvn", "echo half > half.jar; echo the repository is away; exit 1")
    message = refused({**only_java, "PATH": f"{only_java['PATH']}:/usr/bin:/bin"})
    assert "the repository is away" in message
    assert "~/.m2/settings.xml" in message
    assert not list((tmp_path / "cache").rglob("*.jar"))


def test_a_cache_that_cannot_be_written_is_named(only_java: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a folder is wanted")
    message = refused(only_java)
    assert "can't write to" in message
    assert "XDG_CACHE_HOME" in message


def test_a_given_postgres_that_is_away_is_named() -> None:
    options = StackOptions(database_url=f"postgresql://nobody@{CLOSED}/x", bootstrap_servers=CLOSED)
    with pytest.raises(StackError, match="check SEGMENTS_DATABASE_URL"), start_stack(options):
        pass


def test_a_given_kafka_that_is_away_is_named(local: Stack) -> None:
    servers = f"127.0.0.1:{free_port()}"
    options = StackOptions(database_url=local.database_url, bootstrap_servers=servers)
    with pytest.raises(StackError, match=f"{servers}.*check SEGMENTS_KAFKA"), start_stack(options):
        pass


def test_given_servers_are_used_and_cannot_be_driven(local: Stack) -> None:
    options = StackOptions.from_environment(
        {
            "SEGMENTS_DATABASE_URL": local.database_url,
            "SEGMENTS_KAFKA_BOOTSTRAP_SERVERS": local.bootstrap_servers,
        }
    )
    with start_stack(options) as given:
        assert given.database_url == local.database_url
        assert given.bootstrap_servers == local.bootstrap_servers
        assert given.log_files == ()
        with pytest.raises(StackError, match="can't be started or stopped"):
            given.kafka.stop()
    assert local.kafka.pid
