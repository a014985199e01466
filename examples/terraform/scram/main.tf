# Users of a cluster as secrets. The secret's name must begin with AmazonMSK_, and its key must be one of your own.

resource "aws_kms_key" "secrets" {
  description = "secrets of Kafka users"
}

resource "aws_secretsmanager_secret" "alice" {
  name       = "AmazonMSK_alice"
  kms_key_id = aws_kms_key.secrets.key_id
}

resource "aws_secretsmanager_secret_version" "alice" {
  secret_id     = aws_secretsmanager_secret.alice.id
  secret_string = jsonencode({ username = "alice", password = "change-me-please" })
}

resource "aws_msk_cluster" "users" {
  cluster_name           = "users"
  kafka_version          = "3.9.x.kraft"
  number_of_broker_nodes = 3

  broker_node_group_info {
    instance_type   = "kafka.m7g.large"
    client_subnets  = aws_subnet.main[*].id
    security_groups = [aws_security_group.main.id]
  }

  client_authentication {
    sasl {
      scram = true
    }
  }
}

resource "aws_msk_scram_secret_association" "users" {
  cluster_arn     = aws_msk_cluster.users.arn
  secret_arn_list = [aws_secretsmanager_secret.alice.arn]

  depends_on = [aws_secretsmanager_secret_version.alice]
}
