"""The journal's background threads: syncing, sealing, cleaning; only ALWAYS waits for them."""

from __future__ import annotations

import errno
import logging
import time
from contextlib import suppress
from queue import Empty
from threading import Event, Thread

from infra.embedded.log_cleaner import Cleaner
from infra.embedded.log_journal import Journal
from infra.log_options import Sync

_LOGGER = logging.getLogger(__name__)


class Keeper:
    """One thread syncs at intervals, indexes sealed segments and cleans; another serves ALWAYS."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stop = Event()
        self._cleaner = Cleaner(journal, self._stop.is_set)
        self._threads = [Thread(target=self._keep, name="log-keeper", daemon=True)]
        if journal.options.sync is Sync.ALWAYS:
            self._threads.append(Thread(target=self._sync, name="log-syncer", daemon=True))
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End both threads; what is pending is synced and published first."""
        self._stop.set()
        self._journal.keeper.put(None)
        self._journal.syncer.put(None)
        for thread in self._threads:
            thread.join()

    def _keep(self) -> None:
        journal, stop = self._journal, self._stop
        options = journal.options
        interval = options.clean_interval.total_seconds()
        due = time.monotonic() + interval
        while not stop.is_set():
            with suppress(Empty):
                journal.keeper.get(timeout=max(0.0, due - time.monotonic()))
            if options.sync is Sync.INTERVAL and journal.dirty:
                stop.wait(options.sync_interval.total_seconds())
            try:
                sealed = self._finish()
                if options.sync is Sync.INTERVAL:
                    self._sync_active()
                if (sealed or time.monotonic() >= due) and not stop.is_set():
                    due = time.monotonic() + interval
                    self._cleaner.clean(time.time_ns() // 1_000_000)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    journal.fail(error)
                    return
                # Sealing and cleaning need room; the log itself goes on while it has some.
                _LOGGER.exception("no room to keep the log in %s", journal.folder)
                due = time.monotonic() + interval
            except Exception as error:
                journal.fail(error)
                raise

    def _finish(self) -> bool:
        journal = self._journal
        done = False
        while journal.to_finish:
            segment = journal.to_finish[0]
            sealed = segment.finish()
            with journal.lock:
                journal.segments[segment.number] = sealed
                journal.to_finish.pop(0)
            done = True
        return done

    def _sync_active(self) -> None:
        with self._journal.lock:
            self._journal.dirty = False
            active = self._journal.active
        active.sync()

    def _sync(self) -> None:
        journal = self._journal
        while True:
            journal.syncer.get()
            journal.publish_synced()
            if self._stop.is_set():
                return
