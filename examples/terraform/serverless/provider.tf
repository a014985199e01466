terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.37"
    }
  }
}

variable "weir" {
  description = "Where Weir answers: AWS_ENDPOINT_URL of `weir env`."
  default     = "http://127.0.0.1:9700"
}

provider "aws" {
  region = "us-east-1"

  # Credentials are those of `weir env`. There is nothing to ask beyond Weir.
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_credentials_validation = true

  endpoints {
    ec2            = var.weir
    kafka          = var.weir
    kms            = var.weir
    logs           = var.weir
    secretsmanager = var.weir
    sts            = var.weir
  }
}
