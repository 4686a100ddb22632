"""The home feed: feedd, a daemon written in C, has the messages."""

import uuid
from datetime import datetime, timedelta, timezone

from services import feedd


class HomeActivities:
    @staticmethod
    def run(user_handle, trace):
        model = {"errors": None, "data": None}
        if not feedd.is_user(user_handle):
            model["errors"] = ["user_handle_invalid"]
            return model
        now = datetime.now(timezone.utc).astimezone()
        model["data"] = [
            {
                "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{user_handle}/{n}")),
                "handle": user_handle,
                "message": message,
                "created_at": (now - timedelta(days=2)).isoformat(),
                "expires_at": (now + timedelta(days=5)).isoformat(),
                "likes_count": 0,
                "replies_count": 0,
                "reposts_count": 0,
                "replies": [],
            }
            for n, message in enumerate(feedd.feed(user_handle, trace))
        ]
        return model
