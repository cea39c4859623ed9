# -*- coding: utf-8 -*-
"""The worker of dwmon-plugin-python: it runs the modules of your_org.

The plugin starts it and gives it this text; nothing needs to be installed. It
needs the standard library only, and its syntax is common to Python 2.7 and 3.
"""
from __future__ import absolute_import, division

import codecs
import datetime
import decimal
import errno
import importlib
import inspect
import io
import json
import math
import operator
import os
import re
import select
import signal
import socket
import sys
import time
import traceback
import types
import uuid

PY2 = sys.version_info[0] == 2
TEXT = type(u"")
INTEGERS = (int, long) if PY2 else (int,)  # noqa: F821
RAW = (bytes, bytearray, memoryview, buffer) if PY2 else (bytes, bytearray, memoryview)  # noqa: F821

CHUNK_ROWS = 1000
# A character takes up to twelve bytes in a frame, and a line at most 16 MiB.
CHUNK_CHARS = 256 * 1024
MAX_KEY = 1 << 20
MAX_SECONDS = 10 ** 11
OURS = (lambda: None).__code__.co_filename  # what the plugin calls this text
FAR_FUTURE = MAX_SECONDS * 10 ** 6 - 1
EPOCH = datetime.datetime(1970, 1, 1)

NO_NUMBERS = {"nan": u"NaN", "inf": u"+Inf", "-inf": u"-Inf"}

MODULES = {
    "row_getter": ("your_orgs_row_getter", "get_rows_from_query"),
    "check_handler": ("your_orgs_check_handler", "handle_check"),
    "purger": ("your_orgs_row_purger", "identify_old"),
}

UNAVAILABLE = (socket.error, socket.timeout) if PY2 else (ConnectionError, TimeoutError, socket.timeout, socket.gaierror)  # noqa: F821


class Refused(Exception):
    """Something that is wrong with what the modules return, in words for people."""

    def __init__(self, message, code="INVALID_ARGUMENT"):
        Exception.__init__(self, message)
        self.message = message
        self.code = code


class Cancelled(KeyboardInterrupt):
    """The plugin has given the call up."""


class Protocol(object):
    """Frames over the file descriptors 0 and 1, which the modules never get to see."""

    def __init__(self):
        self.requests = io.open(own_copy(0), "rb")
        self.frames = own_copy(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)

    def receive(self):
        line = self.requests.readline()
        return json.loads(line.decode("ascii")) if line.endswith(b"\n") else None

    def send(self, frame):
        line = json.dumps(frame, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n"
        data = memoryview(line.encode("ascii"))
        while data:
            try:
                data = data[os.write(self.frames, data):]
            except OSError as e:  # Python 2 does not go on by itself after a signal
                if e.errno != errno.EINTR:
                    raise


def own_copy(fd):
    """A copy of a descriptor that programs which the modules start do not inherit."""
    copy = os.dup(fd)
    if PY2:
        import fcntl
        fcntl.fcntl(copy, fcntl.F_SETFD, fcntl.fcntl(copy, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)
    return copy


def keep_watch(protocol):
    """Starts a process that kills our whole group once the plugin is gone.

    The kernel tells only us of the plugin's end, and we may be deep inside of
    somebody's C code. The watcher is forked before any module is loaded, twice, so
    that no module finds a child that it has not started.
    """
    if not hasattr(os, "fork") or os.getpgrp() != os.getpid():
        return
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    plugin = protocol.requests.fileno()
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.closerange(0, plugin)
    os.closerange(plugin + 1, 1024)
    poll = select.poll()
    poll.register(plugin, 0)
    while True:
        if any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll()):
            break
    # The modules' clean-up has as long as it has after any other call.
    time.sleep(2)
    os.killpg(os.getpgrp(), signal.SIGKILL)


class Worker(object):
    def __init__(self, protocol):
        self.protocol = protocol
        self.busy = self.calling = self.cancelled = False
        self.naive = ""
        self.function = self.loading = None

    def run(self):
        signal.signal(signal.SIGINT, self.interrupted)
        while True:
            request = self.protocol.receive()
            if request is None:
                return
            self.answer(request)

    def interrupted(self, *_):
        """SIGINT: the plugin has given the call up. Code of the modules is broken off,
        ours at the next turn: a frame must not end half-way."""
        if self.calling:
            raise Cancelled()
        self.cancelled = self.busy

    def answer(self, request):
        self.busy, self.cancelled = True, False
        try:
            try:
                operation = getattr(self, "op_" + request["op"], None)
                if operation is None:
                    raise Refused("operation %s is not known" % request["op"], "UNKNOWN")
                final = operation(request)
            finally:
                self.busy = self.calling = False
        except BaseException as e:  # sys.exit() of a module ends its call only
            self.protocol.send({"id": request["id"], "error": describe(e, self.loading)})
            return
        final["id"] = request["id"]
        self.protocol.send(final)

    def call(self, function, *args):
        """Calls code of the modules."""
        if self.cancelled:
            raise Cancelled()
        self.calling = True
        try:
            return function(*args)
        finally:
            self.calling = False

    def op_hello(self, request):
        org = request["org_dir"]
        self.naive = request["naive_datetime"]
        # The first entry is the working directory, whatever that will be later on.
        sys.path[:] = [org, os.path.join(org, "your_org")] + [p for p in sys.path if p]
        self.loading = org
        self.function = self.call(load, org, request["kind"])
        self.loading = None
        self.full = takes(self.function, 2)
        return {"ok": True, "python": sys.version.split()[0]}

    def op_ping(self, _):
        return {"ok": True}

    def op_get_rows(self, request):
        rows = self.call(self.function, request["query_details"])
        sent = 0
        for keys, times in self.chunks(rows):
            self.protocol.send({"id": request["id"], "keys": keys, "ts": times})
            sent += len(keys)
        return {"done": True, "count": sent}

    def op_handle_check(self, request):
        self.call(self.function, *self.arguments("handle_check(details, extra)", request["details"], request["extra"]))
        return {"ok": True}

    def op_identify_old(self, request):
        answer = self.call(self.function, *self.arguments("identify_old(checker_name, extra)", request["checker_name"], request["extra"]))
        return {"ok": True, "delete_older_than_epoch": cutoff(answer)}

    def arguments(self, wanted, first, extra):
        """What the function takes: older ones are not given the extra JSON."""
        if self.full:
            return (first, extra)
        if takes(self.function, 1):
            return (first,)
        raise Refused("%s cannot be called as %s" % (where(self.function), wanted), "FAILED_PRECONDITION")

    def chunks(self, rows):
        """Cuts the rows into lists of keys and times. A generator is asked for the next
        row only when the last ones were sent."""
        keys, times, size, number = [], [], 0, 0
        source = self.call(iterate, rows)
        while True:
            row = self.call(next, source, self)
            if row is self:
                break
            number += 1
            try:
                key, at = columns(row)
                # The usual types first: this is where the time goes.
                kind = type(key)
                if kind is not TEXT and kind is not int:
                    key = key_of(key)
                kind = type(at)
                if kind is int and -MAX_SECONDS < at < MAX_SECONDS:
                    at *= 1000000
                elif at is not None:
                    at = time_of(at, self.naive)
                if type(key) is TEXT:
                    size += len(key)
                    if len(key) > MAX_KEY:
                        raise Refused("its key is %d characters long, at most 1 MiB is allowed; use a digest of it" % len(key))
            except Refused as e:
                raise Refused("row %d, %s: %s" % (number, cut(row), e.message), e.code)
            keys.append(key)
            times.append(at)
            if len(keys) == CHUNK_ROWS or size > CHUNK_CHARS:
                yield keys, times
                keys, times, size = [], [], 0
        if keys:
            yield keys, times


def load(org, kind):
    """Imports the module of a kind and gives its function."""
    name, function = MODULES[kind]
    folder = os.path.join(org, "your_org")
    if os.path.isdir(folder) and not os.path.exists(os.path.join(folder, "__init__.py")):
        # Not a namespace package: any your_org that is installed would win over it,
        # and Python 2 knows none.
        package = types.ModuleType("your_org")
        package.__path__ = [folder]
        sys.modules["your_org"] = package
    module = None
    for full in ("your_org." + name, name):
        try:
            module = importlib.import_module(full)
            break
        except ImportError as e:
            if not is_missing(e, full):
                raise
    if module is None:
        raise Refused("%s is missing" % os.path.join(folder, name + ".py"), "FAILED_PRECONDITION")
    found = getattr(module, function, None)
    if not callable(found):
        raise Refused("%s has no function %s" % (getattr(module, "__file__", name), function), "FAILED_PRECONDITION")
    return found


def is_missing(error, name):
    """Says that the module itself is not there, not one that it imports."""
    if theirs(sys.exc_info()[2]) is not None:
        return False
    package, _, last = name.rpartition(".")
    if PY2:
        return str(error) in ["No module named " + n for n in (name, last, package)]
    return error.name in (name, package)


def takes(function, count):
    """Says whether a function may be called with so many arguments."""
    if not hasattr(inspect, "signature"):
        try:
            inspect.getcallargs(function, *[None] * count)
        except TypeError:
            return not inspect.isroutine(function) or inspect.isbuiltin(function)
        return True
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # written in C, and says nothing of itself
        return True
    return True


def where(function):
    return "%s of %s" % (getattr(function, "__name__", "the function"), getattr(inspect.getmodule(function), "__file__", "its module"))


def iterate(rows):
    try:
        return iter(rows)
    except TypeError:
        raise Refused("get_rows_from_query returned %s; want a list of (key, timestamp)" % a_type(rows), "UNKNOWN")


def columns(row):
    """The key and the time of a row: by name where it knows names, else the first two
    columns."""
    if type(row) is not tuple and type(row) is not list:
        named = by_name(row)
        if named is not None:
            return named
    if isinstance(row, dict) or not hasattr(row, "__getitem__") or isinstance(row, (TEXT,) + RAW):
        raise Refused("it is %s without dwmon_unique_key and dwmon_timestamp; want a tuple of key and timestamp" % a_type(row))
    if len(row) < 2:
        raise Refused("it has %d columns; want a key and a timestamp" % len(row))
    return row[0], row[1]


def by_name(row):
    """What a dict, a sqlite3.Row or a named tuple calls key and time, in any case."""
    if hasattr(row, "keys"):
        names = dict((name.lower(), name) for name in row.keys() if hasattr(name, "lower"))
        if "dwmon_unique_key" in names and "dwmon_timestamp" in names:
            return row[names["dwmon_unique_key"]], row[names["dwmon_timestamp"]]
    elif hasattr(row, "dwmon_unique_key") and hasattr(row, "dwmon_timestamp"):
        return row.dwmon_unique_key, row.dwmon_timestamp
    return None


def key_of(key):
    """A key as text, or as a number where JSON can tell it apart no less well."""
    if key is None:
        raise Refused("its dwmon_unique_key is None; leave such rows out, or give them a key")
    if isinstance(key, bool):
        return u"true" if key else u"false"
    if isinstance(key, TEXT):
        return u"".join((key,))  # of a class of its own, it might be written otherwise
    if isinstance(key, RAW):
        return text_of(key)
    if isinstance(key, INTEGERS):
        return int(key)
    if isinstance(key, float):
        key = float(key)
        return NO_NUMBERS.get(repr(key), key)
    if isinstance(key, decimal.Decimal):
        return TEXT(format(key, "f"))
    if isinstance(key, uuid.UUID):
        return TEXT(key)
    if isinstance(key, datetime.date):
        return instant(key)
    if hasattr(key, "__index__"):
        return operator.index(key)
    raise Refused("its dwmon_unique_key is %s, which is no key; make it a text in the query or the module" % a_type(key))


def text_of(raw):
    """Bytes as text; those that belong to no character as half surrogates."""
    if isinstance(raw, memoryview):
        raw = raw.tobytes()
    if not PY2:
        return bytes(raw).decode("utf-8", "surrogateescape")
    # Python 2 takes encoded surrogates for characters.
    parts = re.split(b"(\xed[\xa0-\xbf][\x80-\xbf])", bytes(raw))
    parts[1::2] = [u"".join(unichr(0xDC00 + ord(byte)) for byte in part) for part in parts[1::2]]  # noqa: F821
    parts[::2] = [part.decode("utf-8", "dwmonescape") for part in parts[::2]]
    return u"".join(parts)


def escape(error):
    return unichr(0xDC00 + ord(error.object[error.start])), error.start + 1  # noqa: F821


codecs.register_error("dwmonescape", escape)


def instant(at):
    """A date or a time as RFC 3339 in UTC. One without a zone is taken as it stands:
    it only has to be told from others."""
    if not isinstance(at, datetime.datetime):
        at = datetime.datetime(at.year, at.month, at.day)
    days, rest = divmod(wall_micros(at) - offset_micros(at), 86400 * 10 ** 6)
    seconds, micros = divmod(rest, 10 ** 6)
    try:
        day = EPOCH + datetime.timedelta(days=days)
    except OverflowError:
        raise Refused("its dwmon_unique_key is a time beyond the year 9999 in UTC")
    text = u"%04d-%02d-%02dT%02d:%02d:%02d" % (day.year, day.month, day.day, seconds // 3600, seconds // 60 % 60, seconds % 60)
    if micros:
        text += (u".%06d" % micros).rstrip(u"0")
    return text + u"Z"


def wall_micros(at):
    since = at.replace(tzinfo=None) - EPOCH
    return (since.days * 86400 + since.seconds) * 10 ** 6 + since.microseconds


def offset_micros(at):
    offset = at.utcoffset()
    if offset is None:
        return 0
    return (offset.days * 86400 + offset.seconds) * 10 ** 6 + offset.microseconds


def time_of(at, naive):
    """A time as microseconds, or as text that the plugin reads. Exact numbers are
    texts: the plugin reads them without rounding, and finds what is wrong with them."""
    if isinstance(at, bool):
        raise Refused("its dwmon_timestamp is %s, a boolean and no time" % at)
    if isinstance(at, float):
        return micros_of(at)
    if isinstance(at, TEXT):
        return at
    if isinstance(at, RAW):
        return text_of(at)
    if isinstance(at, INTEGERS):
        return at * 1000000 if -MAX_SECONDS < at < MAX_SECONDS else TEXT(at)
    if isinstance(at, decimal.Decimal):
        return TEXT(at)
    if isinstance(at, datetime.datetime):
        return micros_of_datetime(at, naive)
    if isinstance(at, datetime.date):
        return micros_of_datetime(datetime.datetime(at.year, at.month, at.day), naive)
    if hasattr(at, "__index__"):
        return time_of(operator.index(at), naive)
    if hasattr(at, "__float__"):
        return micros_of(float(at))
    raise Refused("its dwmon_timestamp is %s, which is no time; want seconds since the epoch" % a_type(at))


def micros_of(seconds):
    """Rounds to the microsecond. The whole seconds are split off first: multiplying
    at once would round twice."""
    if not -MAX_SECONDS < seconds < MAX_SECONDS:
        return TEXT(repr(float(seconds)))
    whole = math.floor(seconds)
    part = (seconds - whole) * 1e6
    down = math.floor(part)
    return int(whole) * 1000000 + int(down) + (1 if part - down >= 0.5 else 0)


def micros_of_datetime(at, naive):
    if at.utcoffset() is not None or naive == "utc":
        return min(wall_micros(at) - offset_micros(at), FAR_FUTURE)
    if naive == "local":
        try:
            return min(int(time.mktime(at.timetuple())) * 10 ** 6 + at.microsecond, FAR_FUTURE)
        except (OverflowError, ValueError):
            raise Refused("its dwmon_timestamp is %s, which the local clock cannot tell" % at)
    if naive == "text":
        return TEXT(at.replace(tzinfo=None).isoformat(" "))
    raise Refused("its dwmon_timestamp is a datetime without a time zone; give it one, give seconds since the epoch, or set naive_datetime to utc or local")


def cutoff(answer):
    """The whole second that identify_old names, or None to delete nothing."""
    if answer is None:
        return None
    if not hasattr(answer, "get"):
        raise Refused("identify_old returned %s; want a dict with delete_older_than_epoch, or None" % a_type(answer), "UNKNOWN")
    epoch = answer.get("delete_older_than_epoch")
    if not epoch:
        return None
    try:
        if isinstance(epoch, bool):
            raise ValueError
        if isinstance(epoch, (TEXT, bytes)):
            epoch = decimal.Decimal(epoch if isinstance(epoch, TEXT) else text_of(epoch))
        return int(math.floor(epoch)) or None
    except (TypeError, ValueError, OverflowError, ArithmeticError):
        raise Refused("delete_older_than_epoch is %s; want seconds since the epoch" % cut(epoch), "UNKNOWN")


def describe(error, loading):
    """An exception as the error of a frame. loading is the folder from which modules
    were being loaded, or None."""
    if isinstance(error, Refused):
        return {"type": "", "message": error.message, "traceback": "", "code": error.code}
    code = getattr(error, "dwmon_code", None)
    message = message_of(error)
    if code is None and loading:
        code = "FAILED_PRECONDITION"
        message += location(error, loading)
    if code is None and isinstance(getattr(error, "reason", error), UNAVAILABLE):  # urllib wraps what has happened
        code = "UNAVAILABLE"
    return {"type": type(error).__name__, "message": message, "traceback": traceback_of(error), "code": TEXT(code or "UNKNOWN")}


def message_of(error):
    if isinstance(error, SyntaxError):
        return TEXT(error.msg)
    try:
        text = TEXT(error)
    except Exception:  # Python 2, and bytes that are no ASCII
        text = text_of(str(error)) if PY2 else TEXT(repr(error))
    return text.strip()[:4000]


def location(error, folder):
    """Where loading a module has failed: the last of its own lines, not that of what
    it has called."""
    if isinstance(error, SyntaxError) and error.filename:
        return " (%s, line %s)" % (error.filename, error.lineno)
    own = [f for f in traceback.extract_tb(sys.exc_info()[2]) if f[0].startswith(folder + os.sep)]
    return " (%s, line %d)" % (own[-1][0], own[-1][1]) if own else ""


def traceback_of(error):
    """The traceback of what is being handled, from the modules' first line on."""
    return "".join(traceback.format_exception(type(error), error, theirs(sys.exc_info()[2])))


def theirs(tb):
    """A traceback without our own frames, and those of the import machinery, before
    the modules'; None where there is nothing else."""
    while tb is not None and (tb.tb_frame.f_code.co_filename == OURS or "importlib" in tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb


def a_type(value):
    name = type(value).__name__
    return ("an " if name[0] in "aeioAEIO" else "a ") + name


def cut(value):
    try:
        text = repr(value)
    except Exception:
        text = "a " + type(value).__name__
    return text if len(text) <= 200 else text[:200] + "..."


def main():
    try:
        import faulthandler
        faulthandler.enable()
    except Exception:  # older than 3.3, or no stderr
        pass
    sys.argv = ["dwmon_worker"]
    protocol = Protocol()
    keep_watch(protocol)
    Worker(protocol).run()


main()
