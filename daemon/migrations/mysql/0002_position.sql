INSERT IGNORE INTO directory VALUES (1, REPLACE(UUID(), '-', ''), 0);
