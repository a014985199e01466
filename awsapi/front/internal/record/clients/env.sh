# Environment of a recording: the fixed credentials of package echo and the recorder's address.
export AWS_ACCESS_KEY_ID=AKIAWEIRRECORDED0001
export AWS_SECRET_ACCESS_KEY=weirRecordedSecretKey0000000000000000001
export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export AWS_ENDPOINT_URL=${AWS_ENDPOINT_URL:-http://127.0.0.1:4599}
export AWS_EC2_METADATA_DISABLED=true AWS_MAX_ATTEMPTS=1 AWS_CLI_HISTORY_FILE=/dev/null AWS_PAGER=
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
