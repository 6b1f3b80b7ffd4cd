"""Starts the server: python -m local_aws.server --port N --functions URL --folder FOLDER [--function-env NAME=VALUE ...]

--functions   where functions run (lambda-front.ts)
--folder      where their code is unpacked
--function-env  added to the environment of every function: where the services are
"""

import argparse
import os


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--functions", required=True)
    options.add_argument("--folder", required=True)
    options.add_argument("--function-env", action="append", default=[])
    args = options.parse_args()
    os.environ.update(MOTO_PORT=str(args.port), AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local")

    # They read the port of the server when they are loaded.
    from moto.server import main as serve

    from local_aws import lambdas, resources, stacks

    lambdas.install(args.functions, args.folder, dict(pair.split("=", 1) for pair in args.function_env))
    resources.install()
    stacks.install()
    serve(["-H", "127.0.0.1", "-p", str(args.port)])


if __name__ == "__main__":
    main()
