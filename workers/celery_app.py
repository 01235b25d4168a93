"""The Celery application. The broker is only a wake-up: PostgreSQL holds what is due and what happened."""

from celery import Celery
from celery.signals import setup_logging

from helpline.foundation.log import configure_logging
from helpline.settings import load_settings

settings = load_settings()
celery = Celery("helpline", broker=settings.redis_url)
celery.conf.update(
    imports=[
        "workers.accounts",
        "workers.followups",
        "workers.heartbeat",
        "workers.imports",
        "workers.keys",
        "workers.notifications",
        "workers.oversight",
        "workers.privacy",
        "workers.referrals",
        "workers.retention",
        "workers.registers",
        "workers.subscriptions",
    ],
    task_default_queue="default",
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=90,
    task_time_limit=120,  # < visibility timeout: a task that still runs is never delivered again
    broker_transport_options={"visibility_timeout": 1800, "socket_keepalive": True},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_max_tasks_per_child=1000,
    timezone="UTC",
    beat_max_loop_interval=1,
)
celery.conf.task_routes = {
    "imports.*": {"queue": "slow"},
    "oversight.verify_audit": {"queue": "slow"},
    "retention.sweep": {"queue": "slow"},
}


@setup_logging.connect
def _log(**_: object) -> None:
    configure_logging(settings)
