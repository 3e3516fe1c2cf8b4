;; Claims that the agent varies from customer to customer.
;; expect: load: manifest: input `agent` is on the axis Row: on rows are `customer` and `ticket`, on columns `field`, all else on the job
(module
  ;; manifest {"inputs": [{"name": "agent", "axis": "row"}, {"name": "job", "axis": "job"}, {"name": "customer", "axis": "row"}, {"name": "field", "axis": "column"}]}
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
