-- A store of two finished jobs, one with an open task, and one whose task failed for the last time.
INSERT INTO jobs (id, opening, plan, job, workload, spec, opened_at, finished_at, plan_end, dispatched, answered, counts, report_sha256)
VALUES (1, 'opening1', 'plan1', 'whole','digest','{"workload":"digest","algorithm":"sha1","files":{"links":"skip","roots":[{"name":"0","class":"local","prefix":{"path":"t/"}}],"starts":[{"root":0,"file":null}]}}',1795269228.8230412006,1795269228.8283822536,1,1,1,'{"tasks_planned":1,"tasks_done":1,"tasks_failed":0,"tasks_open":0,"items_planned":3,"items_done":3,"items_failed":0,"items_skipped":{},"bytes_planned":6,"bytes_done":6,"duplicates":0,"conflicts":0,"redeliveries":0,"resends":0,"dead_letters":0}','38a20f5d949bd4b0c73b975b8507007ebba78c85fb8098a8820a85f99808f613');
INSERT INTO jobs (id, opening, plan, job, workload, spec, opened_at, finished_at, plan_end, dispatched, answered, counts, report_sha256)
VALUES (2, 'opening2', 'plan2', 'words','words','{"workload":"words","manner":{"mode":"ascii","characters":false,"frequencies":true},"files":{"links":"skip","roots":[{"name":"0","class":"local","prefix":{"path":"u/"}}],"starts":[{"root":0,"file":null}]}}',1795269228.8363234997,1795269228.8452141285,1,1,1,'{"tasks_planned":1,"tasks_done":1,"tasks_failed":0,"tasks_open":0,"items_planned":1,"items_done":1,"items_failed":0,"items_skipped":{},"bytes_planned":2,"bytes_done":2,"totals":{"characters":2,"lines":1,"words":1},"duplicates":0,"conflicts":0,"redeliveries":0,"resends":0,"dead_letters":0}','e184dad53d4622edfb06589264f0bdd9873356f8c6c82fcb4e338633855482ad');
INSERT INTO jobs (id, opening, plan, job, workload, spec, opened_at, finished_at, plan_end, dispatched, answered, counts, report_sha256)
VALUES (3, 'opening3', 'plan3', 'open','digest','{"workload":"digest","algorithm":"sha1","files":{"links":"skip","roots":[{"name":"0","class":"local","prefix":{"path":"o/"}}],"starts":[{"root":0,"file":null}]}}',1795269237.9452285766,NULL,2,2,1,'{"tasks_planned":2,"tasks_done":1,"tasks_failed":0,"tasks_open":1,"items_planned":2,"items_done":1,"items_failed":0,"items_skipped":{},"bytes_planned":1099511627778,"bytes_done":2,"duplicates":0,"conflicts":0,"redeliveries":0,"resends":0,"dead_letters":0}',NULL);
INSERT INTO jobs (id, opening, plan, job, workload, spec, opened_at, finished_at, plan_end, dispatched, answered, counts, report_sha256)
VALUES (4, 'opening4', 'plan4', 'half','digest','{"workload":"digest","algorithm":"sha1","files":{"links":"skip","roots":[{"name":"0","class":"local","prefix":{"path":""}}],"starts":[{"root":0,"file":{"path":"f"}}]}}',1795269240.9357519149,1795269240.9403736591,1,1,1,'{"tasks_planned":1,"tasks_done":0,"tasks_failed":1,"tasks_open":0,"items_planned":1,"items_done":0,"items_failed":1,"items_skipped":{},"bytes_planned":4,"bytes_done":0,"duplicates":0,"conflicts":0,"redeliveries":0,"resends":4,"dead_letters":1}','ba8fb403607b5e5ab3a6f3ddde296c79b29f9f14d73b9f5f497620a128e598a0');
INSERT INTO tasks (job_id, number, class, items, body, body_type, failed, skipped, plan)
VALUES (1,0,'local',3,'{"algorithm":"sha1","files":{"links":"skip","root":"0","items":[["0",2],["1",2],["2",2]]}}','application/json',NULL,NULL, 'plan1');
INSERT INTO tasks (job_id, number, class, items, body, body_type, failed, skipped, plan)
VALUES (2,0,'local',1,'{"manner":{"mode":"ascii","characters":false,"frequencies":true},"files":{"links":"skip","root":"0","items":[["x",2]]}}','application/json',NULL,NULL, 'plan2');
INSERT INTO tasks (job_id, number, class, items, body, body_type, failed, skipped, plan)
VALUES (3,0,'local',1,'{"algorithm":"sha1","files":{"links":"skip","root":"0","items":[["a",2]]}}','application/json',NULL,NULL, 'plan3');
INSERT INTO tasks (job_id, number, class, items, body, body_type, failed, skipped, plan)
VALUES (3,1,'local',1,'{"algorithm":"sha1","files":{"links":"skip","root":"0","items":[["b",1099511627776]]}}','application/json',NULL,NULL, 'plan3');
INSERT INTO tasks (job_id, number, class, items, body, body_type, failed, skipped, plan)
VALUES (4,0,'local',1,'{"algorithm":"sha1","files":{"links":"skip","root":"0","items":[["f",4]]}}','application/json',NULL,NULL, 'plan4');
INSERT INTO outcomes VALUES (1,0,'done',1,'{"digests":["09d2af8dd22201dd8d48e5dcfcaed281ff9422c7","e5fa44f2b31c1fb553b6021e7360d07d5d91ff5e","7448d8798a4380162d4b56f9b452e2f6f9e24e7a"],"bytes":6}','application/json',NULL,NULL,'node-01',273,NULL);
INSERT INTO outcomes VALUES (2,0,'done',1,'{"counts":[{"lines":1,"words":1,"characters":2,"bytes":2}],"check":"af63f54c86021707"}','application/json',NULL,NULL,'node-01',172,'v9394bhr3n34mo8c');
INSERT INTO outcomes VALUES (3,0,'done',1,'{"digests":["3f786850e387550fdab836ed7e6dc881de23001b"],"bytes":2}','application/json',NULL,NULL,'node-01',187,NULL);
INSERT INTO outcomes VALUES (4,0,'failed',5,NULL,NULL,'out of memory','Killed','node-07',251,NULL);
INSERT INTO parts VALUES (2,0,'v9394bhr3n34mo8c',0,NULL,X'3109780a','application/octet-stream');
INSERT INTO dead_letters (id, job_id, number, reason, at) VALUES (1, 4, 0, 'given up by the broker (delivery_limit)', 1795269240.5);
INSERT INTO dead (job_id, number, at) VALUES (4, 0, 1795269240.9);
