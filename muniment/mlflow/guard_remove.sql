-- Take away what guard.sql put in place: triggers, tables and role; every owner is as before.
-- MLflow's rows stay as they are.
--
--   psql --single-transaction --set ON_ERROR_STOP=1 --file guard_remove.sql

DO $$
DECLARE
    former record;
BEGIN
    IF to_regclass('muniment_guard.former_owner') IS NULL THEN
        RAISE NOTICE 'There is no guard in this database.';
        RETURN;
    END IF;
    FOR former IN
        SELECT tgname, tgrelid::regclass AS place FROM pg_trigger
        WHERE tgname IN ('muniment_guard', 'muniment_guard_truncate')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', former.tgname, former.place);
    END LOOP;
    FOR former IN SELECT * FROM muniment_guard.former_owner LOOP
        -- An upgrade of MLflow may have dropped it since.
        CONTINUE WHEN former.object LIKE 'TABLE %' AND to_regclass(substr(former.object, 7)) IS NULL
            OR former.object LIKE 'ROUTINE %'
                AND to_regprocedure(substr(former.object, 9)) IS NULL;
        EXECUTE format('ALTER %s OWNER TO %I', former.object, former.role);
    END LOOP;
    REVOKE USAGE ON SCHEMA public FROM muniment_guard;
    DROP SCHEMA muniment_guard CASCADE;
    -- The role may own the guard of another database of this cluster.
    BEGIN
        DROP ROLE muniment_guard;
    EXCEPTION WHEN dependent_objects_still_exist THEN
        RAISE NOTICE 'Role muniment_guard stays: another database uses it.';
    END;
END
$$;
