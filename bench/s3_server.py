"""An S3 service that answers late: moto's server behind a proxy that holds up each request. A process of its own.

Prints `ready: URL` and serves until it is ended.
"""

from __future__ import annotations

import sys
import threading

from tests.faults.s3_proxy import Fault, S3Proxy
from tests.support.s3_endpoint import S3Endpoint


def main(delay_seconds: float) -> None:
    with S3Endpoint() as endpoint, S3Proxy(endpoint.address) as proxy:
        proxy.always(Fault(delay_seconds=delay_seconds))
        print(f"ready: {proxy.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(float(sys.argv[1]))
