"""Advisory locks of the database: one register, so that no two purposes share a number by accident."""

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """What each lock is for."""

    MIGRATE = 7_219_001  # two migrators at once: the second waits
    AUDIT = 7_219_002  # writers of the chain queue here, so that it has one end
    BOOTSTRAP = 7_219_003  # two first starts at once make one admin
    PARTITION = 7_219_004  # partitions are attached one at a time
    FOLD = 7_219_005  # folds share it, a rebuild holds it alone
    GUARD = 7_219_006  # one evaluation at a time
    GUARD_CLOCK = 7_219_021  # one evaluation of everything at a time
    POST = 7_219_007  # one poster at a time, so that sequences have no rivals
    RUNNING = 7_219_010  # exports of one key that tell of running calls, so that its limit holds
    SERIES = 7_219_015  # exports of one key that make signal series, so that its limit holds
    NAMES = 7_219_016  # exports of one key that bring new names, so that its limits hold
    USERS = 7_219_017  # exports that bring new end users of one tenant, so that its limit holds
    TOOLS = 7_219_018  # exports that bring new tools of one tenant, so that its limit holds
    RETAIN = 7_219_020  # one retention run at a time
    ALERT = 7_219_026  # one judge of alerts at a time, so that nobody is told twice
    BILL = 7_219_031  # one import of bills at a time, so that no day stands on two
    JOB = 7_219_032  # one beginner of jobs at a time, so that their limit holds
    JOB_TAKEN = 7_219_033  # one taker of jobs at a time, so that no more run at once than may
    PEOPLE = 7_219_041  # one change of who may administer at a time, so that somebody always may
