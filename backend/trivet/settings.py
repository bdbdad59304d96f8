"""One typed settings object: environment `TRIVET_*` first, then `trivet.toml` in the working directory."""

from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class Settings(BaseSettings):
    """Every setting with its default. `docs/settings.md` describes each; a house test holds the two together."""

    model_config = SettingsConfigDict(env_prefix="TRIVET_", toml_file="trivet.toml", extra="ignore")

    database_url: str = Field("", description="PostgreSQL to use instead of the embedded one.")
    broker_url: str = Field("", description="Redis or RabbitMQ to use instead of the embedded Redis.")
    data_dir: Path = Field(Path("data"), description="Where the embedded parts keep their files.")
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8000, description="Port the API listens on.")
    otlp_grpc_port: int = Field(4317, description="Port of OTLP/gRPC, on the same address; 0 does not serve it.")
    api_processes: int = Field(1, ge=1, le=64, description="API processes that share the two ports.")
    secret_key: SecretStr = Field(SecretStr(""), description="Keys session cookies and prompt hashes; kept by `up`.")
    admin_email: str = Field("", description="First start: the first person, an admin.")
    admin_password: SecretStr = Field(SecretStr(""), description="First start: that person's password.")
    bootstrap_key: SecretStr = Field(SecretStr(""), description="First start: an admin API key (tvt_...).")
    demo: bool = Field(False, description="Says on the overview that this is the demo; set by `up --demo`.")
    log_level: str = Field("INFO", description="Log level of every process.")

    rest_body_limit_bytes: int = Field(1 << 20, description="Largest body of a REST or OFREP request.")
    otlp_body_limit_bytes: int = Field(64 << 20, description="Largest OTLP body after decompression.")
    otlp_held_limit_bytes: int = Field(
        192 << 20, description="Bytes of OTLP bodies that one process holds at once; more gets 503."
    )
    otlp_spans_limit: int = Field(50_000, description="Most spans of one export; more is refused with 413.")
    otlp_elements_limit: int = Field(
        1_000_000, description="Most elements (attributes, values, events, links …) of one export; more: 413."
    )
    names_per_export_limit: int = Field(
        5_000,
        description="Most new cards, and most new series of signals, of one export; points of more are refused one by one.",
    )
    tenants_per_key_limit: int = Field(
        50_000, description="Distinct tenants that one key may name; further ones are counted as `overflow`."
    )
    scenarios_per_key_limit: int = Field(
        1_000, description="Distinct scenarios that one key may name; further ones are counted as `overflow`."
    )
    models_per_key_limit: int = Field(
        1_000, description="Distinct models that one key may name; further ones are counted as `overflow`."
    )
    names_per_key_limit: int = Field(
        1_000,
        description="Distinct backends, pools, model versions and regions, of each kind, that one key may name; "
        "further ones are counted as `overflow`.",
    )
    end_users: Literal["named", "hashed", "off"] = Field(
        "named", description="How end users whom spans name are kept: `named`, `hashed` (keyed), or `off`: not at all."
    )
    end_users_per_tenant_limit: int = Field(
        100_000,
        description="Distinct end users of one tenant that are counted apart; further ones count as `overflow`.",
    )
    signal_series_limit: int = Field(
        20_000, description="Most series of signals of one API key; points of more are refused one by one."
    )
    otlp_concurrent_exports: int = Field(4, description="Exports decoded at once; more wait, then get 503.")
    tokens_limit: int = Field(
        100_000_000, description="Most tokens of one kind in one request; more refuses that span."
    )
    clock_skew_limit_s: int = Field(900, description="How far in the future a span may end before it is refused.")
    late_limit_days: int = Field(30, description="How old a span may be before it is refused.")
    tenant_attributes: tuple[str, ...] = Field(
        ("trivet.tenant", "tenant.id", "litellm.team.id", "litellm.team.alias", "enduser.id", "service.namespace"),
        description="Attributes that name the tenant, on the span or its resource, first found wins.",
    )
    scenario_attributes: tuple[str, ...] = Field(
        ("trivet.scenario", "service.name"), description="Attributes that name the scenario, first found wins."
    )

    bill_file_limit_bytes: int = Field(
        256 << 20, description="Largest file of a bill; 20 times as much once it is decompressed."
    )
    bill_rows_limit: int = Field(2_000_000, description="Most rows of a bill.")

    jobs_at_once: int = Field(1, ge=1, le=64, description="Jobs (exports, imports, rebuilds) done at once; more wait.")
    jobs_waiting_limit: int = Field(100, ge=1, description="Most jobs that wait or run; more are refused.")
    jobs_kept_days: int = Field(7, ge=1, description="Days that a job and the file it made are kept after its end.")
    job_file_limit_bytes: int = Field(256 << 20, description="Largest file that a job is given or makes.")

    retention_days_requests: int = Field(
        90, ge=0, description="Days that requests, prompt blocks and scores are kept row by row; 0 keeps them for ever."
    )
    retention_days_samples: int = Field(
        45, ge=0, description="Days that single readings of GPUs and signals are kept; 0 keeps them for ever."
    )
    retention_days_rollup_10s: int = Field(14, ge=0, description="Days that 10-second rollups are kept; 0: for ever.")
    retention_days_rollup_1m: int = Field(90, ge=0, description="Days that 1-minute rollups are kept; 0: for ever.")
    retention_days_rollup_1h: int = Field(1_100, ge=0, description="Days that hourly rollups are kept; 0: for ever.")
    archive_url: str = Field(
        "",
        description="Where a day is written to as Parquet before it is dropped: an absolute path, `s3://bucket/folder` "
        "(needs `s3fs`), `gs://bucket/folder` (needs `gcsfs`); empty: nowhere, days are dropped.",
    )

    fold_batch_rows: int = Field(20_000, description="Delta rows folded in one transaction.")
    guard_interval_s: float = Field(1.0, description="How often guards are evaluated.")
    running_seen_s: int = Field(12, description="A running call that was not told again for so long is not running.")
    running_calls_limit: int = Field(
        10_000, description="Most running calls that one key may tell of at once; more are refused."
    )
    backend_seen_s: int = Field(60, description="A backend that polled this recently counts as present.")
    listeners_limit: int = Field(
        1_000,
        ge=0,
        description="Most backends that listen for changes of policy at one API process; more get 503 and poll.",
    )
    listeners_per_key_limit: int = Field(
        200, ge=0, description="Most listeners of one API key at one API process; more get 429 and poll."
    )
    live_streams_limit: int = Field(
        500, ge=0, description="Most pages that one API process tells of changes at once; more look by their own clock."
    )
    policy_valid_s: int = Field(600, description="How long a backend that cannot reach Trivet keeps its policy.")
    posting_grace_s: int = Field(60, description="How long after its end an hour is posted to the ledger.")
    reservation_ttl_s: int = Field(
        60, ge=1, le=3_600, description="How long a reservation holds unless it says how long."
    )
    reservation_grace_s: int = Field(
        900,
        ge=0,
        description="How long after its end a reservation counts what was posted, or may have been called, and that no span "
        "has told yet.",
    )
    reservation_kept_hours: int = Field(
        24, ge=1, description="How long a reservation can be looked up after it holds nothing more."
    )
    session_hours: int = Field(12, ge=1, description="How long a sign-in lasts at most.")
    session_idle_minutes: int = Field(
        120, ge=1, description="How long a sign-in lasts unused; what a page asks by itself is no use."
    )
    session_rotate_minutes: int = Field(15, ge=1, description="How often a session that is used gets a new token.")
    oidc_issuer: str = Field(
        "",
        pattern=r"^(https://[^\s?#]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?[^\s?#]*)?$",
        description="OpenID provider that people may sign in with, exactly as it names itself; empty: none. See docs/people.md.",
    )
    oidc_client_id: str = Field("", description="Who we are there.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Its secret; empty: a public client, PKCE alone.")
    oidc_client_auth: Literal["client_secret_basic", "client_secret_post"] = Field(
        "client_secret_basic", description="How the secret is told."
    )
    oidc_scopes: tuple[str, ...] = Field(
        ("openid", "email", "profile"), description="What is asked about people there."
    )
    oidc_name: str = Field("single sign-on", max_length=60, description="Its name on the button.")
    oidc_groups_claim: str = Field(
        "groups", description="The claim that names somebody's groups, or the way to it: `realm_access.roles`."
    )
    oidc_roles: dict[str, Literal["admin", "finance", "sre", "product_owner", "viewer"]] = Field(
        {},
        description="JSON: which role a group gives; the strongest holds, at each sign-in anew. Empty: groups give none.",
    )
    oidc_default_role: Literal["", "finance", "sre", "product_owner", "viewer"] = Field(
        "viewer", description="The role of whom no group gives one; empty: they are not let in."
    )
    oidc_tenant_claim: str = Field(
        "",
        description="The claim that names somebody's tenant; `*` there is all of them, and who has none comes in as admin or "
        "finance only. Empty: tenants are given here.",
    )
    oidc_verified_claim: str = Field(
        "email_verified", description="The claim that must be true for an address to count as proven."
    )
    oidc_domains: tuple[str, ...] = Field((), description="Domains of addresses that may come; empty: any.")
    oidc_create: bool = Field(False, description="Whether somebody unknown is added when they first come.")
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses and networks of proxies in front, whose X-Forwarded-Proto and X-Forwarded-For are believed; "
        "empty: none.",
    )
    report_concurrent: int = Field(4, description="Reports made at once in one process; more wait, then get 503.")
    anomaly_least: Decimal = Field(
        Decimal(1), ge=0, description="A day's cost is no anomaly unless it is off by so much, in its own currency."
    )
    page_limit: int = Field(500, description="Most items of one page of a list.")

    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="Where people reach Trivet, such as https://trivet.example.com: links in messages begin with it; empty: "
        "`host` and `port`.",
    )
    outward_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts that channels and webhooks may call: names, `*.example.com`, addresses, networks such as "
        "10.0.0.0/8; empty: none.",
    )
    outward_services: tuple[str, ...] = Field(
        (
            "slack",
            "pagerduty",
            "opsgenie",
            "discord",
            "tgram",
            "pover",
            "gchat",
            "victorops",
            "sns",
            "feishu",
            "lark",
            "wecombot",
            "dingtalk",
            "wxteams",
        ),
        description="Services that a channel of kind `apprise` may name, by the schema of its URL; those with a host of their "
        "own (`json`, `mmost` …) need that host in `outward_hosts` as well.",
    )
    alerts_kept_days: int = Field(90, ge=1, description="Days that an alert is kept after it ended.")

    smtp_host: str = Field("", description="Mail server that messages go through; empty: none, and pages say so.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_user: str = Field("", description="Who signs in there; empty: nobody does.")
    smtp_password: SecretStr = Field(SecretStr(""), description="That account's password.")
    smtp_from: str = Field(
        "", pattern=r"^([!-?A-~]+@[A-Za-z0-9.-]+)?$", description="The address that messages come from."
    )
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is protected: `starttls`, `tls` (port 465), or `none`."
    )
    smtp_ca_file: str = Field("", description="Certificates to trust there instead of the system's.")

    @model_validator(mode="after")
    def _days_fit_together(self) -> Self:
        """A row may only go once nothing that can still come in, be corrected or be checked needs it."""
        if wrong := retention_conflict(self):
            raise ValueError(wrong)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


@lru_cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return Settings()  # type: ignore[call-arg]  # every field has a default; pydantic's plugin is not used


# The live check that rollups equal requests looks so far back, and calls two days further than their end.
CHECKED_DAYS = 10


def retention_conflict(settings: Settings) -> str:
    """Which two settings contradict each other, in words; empty for none."""
    late = settings.late_limit_days
    rows = ("retention_days_requests", "retention_days_samples", "retention_days_rollup_1h")
    least = dict.fromkeys(rows, max(late + 1, CHECKED_DAYS)) | {
        "retention_days_rollup_10s": CHECKED_DAYS,
        "retention_days_rollup_1m": settings.retention_days_rollup_10s or CHECKED_DAYS,
    }
    for name, days in least.items():
        if 0 < getattr(settings, name) < days:
            why = f"late_limit_days is {late}, and late spans still need the day they belong to"
            why = why if name in rows and late + 1 >= CHECKED_DAYS else "newer days are still read and checked"
            return f"{name} is {getattr(settings, name)}: it must be 0 (for ever) or at least {days} ({why})"
    return ""
