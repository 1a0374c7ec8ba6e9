include $(sort $(wildcard $(BR2_EXTERNAL_FIREHOSE_CONNECTOR_PATH)/package/*/*.mk))
