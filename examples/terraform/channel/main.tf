# A topic that is written to objects of a bucket. The buckets are of any S3-compatible server: docs/guide/channels.md says how Weir is told of it.

variable "bucket" {
  description = "The bucket for the records; it exists."
}

variable "dead_letters" {
  description = "The bucket for what cannot be converted; it exists."
}

variable "freshness" {
  description = "Seconds until a record is in the bucket."
  default     = 600
}

data "aws_caller_identity" "current" {}

resource "aws_msk_cluster" "archive" {
  cluster_name           = "archive"
  kafka_version          = "3.9.x.kraft"
  number_of_broker_nodes = 3

  broker_node_group_info {
    instance_type   = "express.m7g.large"
    client_subnets  = aws_subnet.main[*].id
    security_groups = [aws_security_group.main.id]
  }
}

resource "aws_msk_topic" "orders" {
  cluster_arn        = aws_msk_cluster.archive.arn
  name               = "orders"
  partition_count    = 3
  replication_factor = 3
}

resource "aws_msk_channel" "archive" {
  cluster_arn  = aws_msk_cluster.archive.arn
  channel_name = "archive"
  tags         = { team = "archive" }

  topic_configuration {
    topic_arn = aws_msk_topic.orders.arn

    record_converter {
      value_converter = "JSON"
    }
  }

  s3_destination {
    # Weir writes with the keys that it was given and looks at no role; MSK needs one.
    service_execution_role_arn = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/delivery"
    data_freshness_in_seconds  = var.freshness

    dead_letter_queue_s3 {
      bucket_arn          = "arn:aws:s3:::${var.dead_letters}"
      error_output_prefix = "errors/"
    }

    storage {
      bucket_arn       = "arn:aws:s3:::${var.bucket}"
      compression_type = "GZIP"
      storage_class    = "STANDARD"
      output_prefix    = "raw/"
    }
  }
}
