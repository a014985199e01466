# A cluster that clients of another VPC may connect to, with the policy that lets them. Weir keeps and shows connections and policies; that they decide who
# may connect comes with its security (docs/adr/0006).

data "aws_caller_identity" "current" {}

resource "aws_msk_cluster" "shared" {
  cluster_name           = "shared"
  kafka_version          = "3.9.x.kraft"
  number_of_broker_nodes = 3

  broker_node_group_info {
    instance_type   = "kafka.m7g.large"
    client_subnets  = aws_subnet.main[*].id
    security_groups = [aws_security_group.main.id]

    connectivity_info {
      vpc_connectivity {
        client_authentication {
          sasl {
            iam = true
          }
        }
      }
    }
  }

  client_authentication {
    sasl {
      iam = true
    }
  }
}

resource "aws_msk_cluster_policy" "shared" {
  cluster_arn = aws_msk_cluster.shared.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "connect"
      Effect    = "Allow"
      Principal = { AWS = data.aws_caller_identity.current.account_id }
      Action    = ["kafka:CreateVpcConnection", "kafka:GetBootstrapBrokers", "kafka:DescribeClusterV2"]
      Resource  = aws_msk_cluster.shared.arn
    }]
  })
}

resource "aws_vpc" "clients" {
  cidr_block = "10.30.0.0/16"
}

resource "aws_subnet" "clients" {
  count             = 3
  vpc_id            = aws_vpc.clients.id
  availability_zone = data.aws_availability_zones.available.names[count.index]
  cidr_block        = cidrsubnet(aws_vpc.clients.cidr_block, 8, count.index)
}

resource "aws_security_group" "clients" {
  name   = "clients"
  vpc_id = aws_vpc.clients.id
}

resource "aws_msk_vpc_connection" "clients" {
  authentication     = "SASL_IAM"
  target_cluster_arn = aws_msk_cluster.shared.arn
  vpc_id             = aws_vpc.clients.id
  client_subnets     = aws_subnet.clients[*].id
  security_groups    = [aws_security_group.clients.id]
  tags               = { team = "clients" }

  depends_on = [aws_msk_cluster_policy.shared]
}
