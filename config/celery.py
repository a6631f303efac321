"""The Celery application: queues by duty, so that the log's key lives in one process only."""

from __future__ import annotations

import os

from celery import Celery
from celery.schedules import crontab
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("muniment")
app.conf.update(
    broker_url=settings.REDIS_URL,
    task_ignore_result=True,
    task_acks_late=True,  # a killed worker's task is taken up again
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # Below the time after which a running job counts as lost: nobody does it twice at once.
    task_time_limit=540,
    task_soft_time_limit=500,
    task_serializer="json",
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 900},
    task_default_queue="default",
    task_routes={
        "audits.tasks.sequence_log": {"queue": "log"},
        "audits.tasks.timestamp_log": {"queue": "default"},
        "audits.tasks.witness_log": {"queue": "default"},
        "audits.tasks.*": {"queue": "audit"},
        "registry.tasks.audit_*": {"queue": "audit"},
        "registry.tasks.render_*": {"queue": "audit"},
        "registry.tasks.recompute_*": {"queue": "recompute"},
        "registry.tasks.predict_*": {"queue": "recompute"},
        "registry.tasks.scan_*": {"queue": "recompute"},
        "registry.tasks.hash_data_of_version": {"queue": "recompute"},
    },
    worker_hijack_root_logger=False,
    beat_schedule={
        "sequence the log": {
            "task": "audits.tasks.sequence_log",
            "schedule": 1.0,
            "options": {"expires": 1.0},
        },
        "verify the log": {
            "task": "audits.tasks.verify_whole_log",
            "schedule": crontab(hour=2, minute=17),
            "options": {"expires": 3600.0},
        },
        "walk the registry": {
            "task": "registry.tasks.walk_registry",
            "schedule": float(settings.MIRROR_WALK_SECONDS),
            "options": {"expires": float(settings.MIRROR_WALK_SECONDS)},
        },
        "hash artifacts again": {
            "task": "registry.tasks.hash_again",
            "schedule": 300.0,
            "options": {"expires": 300.0},
        },
        "recompute champions": {
            "task": "registry.tasks.order_champions_again",
            "schedule": 600.0,
            "options": {"expires": 600.0},
        },
        "watch what lapses": {
            "task": "registry.tasks.watch_what_lapses",
            "schedule": 300.0,
            "options": {"expires": 300.0},
        },
        "hash data again": {
            "task": "registry.tasks.hash_data_again",
            "schedule": crontab(hour=3, minute=41),
            "options": {"expires": 3600.0},
        },
        "take up what was left": {
            "task": "registry.tasks.take_up_open_work",
            "schedule": 20.0,
            "options": {"expires": 20.0},
        },
        "post notices of alarms": {
            "task": "accounts.tasks.post_alarm_notices",
            "schedule": 10.0,
            "options": {"expires": 10.0},
        },
    },
)
if settings.EMAIL_HOST:
    app.conf.beat_schedule["send notices by e-mail"] = {
        "task": "accounts.tasks.send_notice_mails",
        "schedule": 15.0,
        "options": {"expires": 15.0},
    }
if settings.TSA_URL:
    app.conf.beat_schedule["timestamp the log"] = {
        "task": "audits.tasks.timestamp_log",
        "schedule": 2.0,
        "options": {"expires": 2.0},
    }
if settings.WITNESS_POLICY_FILE:
    app.conf.beat_schedule["have the log witnessed"] = {
        "task": "audits.tasks.witness_log",
        "schedule": 2.0,
        "options": {"expires": 2.0},
    }
app.autodiscover_tasks()
